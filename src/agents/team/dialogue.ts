import { AlcoveError } from '../../protocol/error.js'
import type { Message } from '../../protocol/message.js'
import { type Agent, type AgentEnvironment, agentOf, createAgent, type Execute } from '../agent.js'
import { isAgent, type ModelOptions, type TeamOptions } from './members.js'
import { type Prompts, prompter } from './prompts.js'
import { perform } from './stage.js'

export interface DialogueOptions extends TeamOptions, Partial<ModelOptions> {
  /** The agent that the person talks with. */
  readonly agent: Agent
  /** The person: an agent of one's own, or who it is and what it wants. @default what the run is asked */
  readonly person?: Agent | string | undefined
  /** How often each speaks. @default 3 */
  readonly maxTurns?: number | undefined
  readonly prompts?: Prompts<'person' | 'personStart'> | undefined
}

/** What the person says when it has what it wants. */
const STOP = '[END]'

/**
 * A person, played by a model, who talks with an agent: to try the agent out, or to make examples. The run's messages are the dialogue; its
 * text is what the agent said.
 *
 * @throws AlcoveError `invalid-argument` without an agent, or without a model for the person
 */
export function createDialogue(options: DialogueOptions, environment?: AgentEnvironment): Agent {
  const { name = 'dialogue', description } = options
  return agentOf({ name, description }, executeDialogue(options), environment)
}

/** The runs of a dialogue. Throws as `createDialogue` does. */
export function executeDialogue(options: DialogueOptions): Execute {
  const { agent, person, model, sampling, maxTurns = 3 } = options
  if (!isAgent(agent)) throw new AlcoveError('invalid-argument', 'dialogue: expected an agent')
  if (!isAgent(person) && model === undefined) {
    throw new AlcoveError('invalid-argument', 'dialogue: the person needs a model')
  }
  const write = prompter(options.prompts)
  return (job) =>
    perform('dialogue', job, async (stage) => {
      const { language, question } = stage
      const persona = typeof person === 'string' ? person : question
      const player = isAgent(person)
        ? person
        : createAgent({
            name: 'person',
            model: model as NonNullable<typeof model>,
            sampling,
            instructions: write('person', language, { persona, stop: STOP }),
          })
      const said: Message[] = []
      for (let turn = 0; turn < maxTurns; turn++) {
        const start: Message = { role: 'user', content: isAgent(person) ? question : write('personStart', language) }
        const { text } = await stage.run(player, [start, ...said.map(swapped)])
        const content = text.replaceAll(STOP, '').trim()
        if (content === '') break
        said.push({ role: 'user', content })
        stage.add({ role: 'user', name: player.name, content })
        stage.separate()
        const answer = await stage.run(agent, said, { isAnswer: true })
        said.push({ role: 'assistant', content: answer.text })
        if (text.includes(STOP)) break
      }
      return 'stop'
    })
}

/** The dialogue as the person sees it. */
function swapped({ role, content }: Message): Message {
  return { role: role === 'user' ? 'assistant' : 'user', content }
}

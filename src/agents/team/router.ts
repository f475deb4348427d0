import { AlcoveError } from '../../protocol/error.js'
import { type Agent, type AgentEnvironment, agentOf, type Execute } from '../agent.js'
import { chooseName } from './choose.js'
import {
  checkMembers,
  comparable,
  describeMembers,
  type ModelOptions,
  type TeamOptions,
  transcriptOf,
} from './members.js'
import { type Prompts, prompter } from './prompts.js'
import { perform } from './stage.js'

export interface RouterOptions extends TeamOptions, ModelOptions {
  /** Whom to choose from. What each is good at is its description, else its instructions. */
  readonly agents: readonly Agent[]
  /** More on how to choose. */
  readonly instructions?: string | undefined
  /** Name of the agent that answers when the model names nobody. @default the first */
  readonly fallback?: string | undefined
  readonly prompts?: Prompts<'choose' | 'chooseTask' | 'chooseAgain'> | undefined
}

/**
 * An agent that lets one of several agents answer: a model picks it and says why, told as a `handoff` part. A name that nobody has is asked
 * again once; then the fallback answers.
 *
 * @throws AlcoveError `invalid-argument` for agents without names or with the same, or a fallback that is none of them
 */
export function createRouter(options: RouterOptions, environment?: AgentEnvironment): Agent {
  const { name = 'router', description } = options
  return agentOf({ name, description }, executeRouter(options), environment)
}

/** The runs of a router. Throws as `createRouter` does. */
export function executeRouter(options: RouterOptions): Execute {
  const agents = checkMembers('router', options.agents)
  const { fallback = agents[0]?.name ?? '', instructions, model, sampling, prompts } = options
  const find = (name: string) => agents.find((agent) => comparable(agent.name) === comparable(name))
  if (!find(fallback)) throw new AlcoveError('invalid-argument', `router: no agent is named '${fallback}'`)
  const write = prompter(prompts)
  const names = agents.map(({ name }) => name)

  return (job) =>
    perform('router', job, async (stage) => {
      const { language, conversation } = stage
      const choose = write('choose', language, { members: describeMembers(agents) })
      const choice =
        agents.length === 1
          ? undefined
          : await chooseName(stage, {
              name: 'selector',
              model,
              sampling,
              instructions: instructions ? `${instructions}\n\n${choose}` : choose,
              question: write('chooseTask', language, { transcript: transcriptOf(conversation) }),
              names,
              again: write('chooseAgain', language, { names: names.join(', ') }),
            })
      const to = find(choice?.name ?? fallback)
      if (!to) throw new AlcoveError('internal', 'router: nobody was chosen')
      const from = job.agentPath.at(-1) ?? 'router'
      stage.tell({ type: 'handoff', from, to: to.name, why: choice?.why ?? 'fallback' })
      return (await stage.run(to, conversation, { isAnswer: true, schema: job.schema })).finish.reason
    })
}

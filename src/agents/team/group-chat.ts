import { AlcoveError } from '../../protocol/error.js'
import type { Message } from '../../protocol/message.js'
import { type Agent, type AgentEnvironment, agentOf, type Execute } from '../agent.js'
import { memberInput, mentionsIn } from './chat-messages.js'
import type { MemberResult } from './follow.js'
import { checkMembers, isAgent, type ModelOptions, type TeamOptions, textOf } from './members.js'
import { type Prompts, prompter } from './prompts.js'
import { createSelector } from './select-speakers.js'
import { endsRun, perform, type Stage } from './stage.js'

/** A person in a group chat: the run pauses at their turn. */
export interface HumanMember {
  readonly name: string
  readonly human: true
  readonly description?: string | undefined
}

export type ChatMember = Agent | HumanMember

/** What a choice of speakers can be made by. */
export interface ChatState {
  /** All that was said, with the speakers' names. */
  readonly messages: readonly Message[]
  readonly names: readonly string[]
  /** From 0. */
  readonly round: number
  /** Name of who spoke last; undefined when no member has. */
  readonly last: string | undefined
}

/** Names who speaks next: one, or several who speak side by side; undefined or nobody ends the chat. */
export type SelectSpeakers = (
  state: ChatState,
) => string | readonly string[] | undefined | Promise<string | readonly string[] | undefined>

export type ChatPrompt = 'host' | 'hostTask' | 'chooseAgain' | 'member' | 'memberTurn'

export interface GroupChatOptions extends TeamOptions, Partial<ModelOptions> {
  readonly agents: readonly ChatMember[]
  /**
   * Who speaks next: `auto`, the model decides (and may end the chat); `round-robin`; `random`; `manual`, a person names them, for which the
   * run pauses; or a function. Whoever is mentioned as `@name` comes first. @default 'auto'
   */
  readonly select?: 'auto' | 'round-robin' | 'random' | 'manual' | SelectSpeakers | undefined
  /** @default 3 */
  readonly maxRounds?: number | undefined
  /** How many speak in a round, side by side: none of them hears the others of that round. A function decides by itself. @default 1 */
  readonly perRound?: number | undefined
  /** For `random`. @default 1 */
  readonly seed?: number | undefined
  /** The chat ends after a round in which a member wrote this. */
  readonly stopToken?: string | undefined
  /** The chat ends after a round for which this is true. */
  readonly until?: ((messages: readonly Message[]) => boolean) | undefined
  /** What the chat is about, for all members. */
  readonly background?: string | undefined
  readonly prompts?: Prompts<ChatPrompt> | undefined
}

/**
 * Agents, and people, who talk with each other. Its text is what the agents said, a paragraph each; its messages have the names. A member
 * that fails is left out of its round. At a person's turn the run ends with the reason `paused`; `resume(run.state, { reply })` goes on.
 *
 * @throws AlcoveError `invalid-argument` for members without names or with the same, or `auto` without a model
 */
export function createGroupChat(options: GroupChatOptions, environment?: AgentEnvironment): Agent {
  const { name = 'group-chat', description } = options
  return agentOf({ name, description }, executeGroupChat(options), environment)
}

/** The runs of a group chat. Throws as `createGroupChat` does. */
export function executeGroupChat(options: GroupChatOptions): Execute {
  const members = checkMembers('groupChat', options.agents)
  for (const member of members) {
    if (!isAgent(member) && !(member as Partial<HumanMember>).human) {
      throw new AlcoveError('invalid-argument', `groupChat: '${(member as HumanMember).name}' is no agent and no human`)
    }
  }
  const { maxRounds = 3, perRound = 1 } = options
  if (!(maxRounds >= 1) || !(perRound >= 1)) {
    throw new AlcoveError('invalid-argument', 'groupChat: expected maxRounds and perRound of at least 1')
  }
  const createSelect = createSelector(options)
  return (job) =>
    perform('group-chat', job, async (stage) => {
      const select = createSelect(stage)
      const chat = new Chat(stage, options, members)
      for (let round = 0; round < maxRounds; round++) {
        const queued = chat.takeMentioned(perRound)
        const speakers = queued.length > 0 ? queued : chat.find(await select(chat.state(round)))
        if (speakers.length === 0) break
        if (await chat.talk(speakers)) break
      }
      return 'stop'
    })
}

class Chat {
  readonly #stage: Stage
  readonly #options: GroupChatOptions
  readonly #members: readonly ChatMember[]
  readonly #messages: Message[]
  readonly #mentioned: string[] = []
  #last: string | undefined
  #failures = 0

  constructor(stage: Stage, options: GroupChatOptions, members: readonly ChatMember[]) {
    this.#stage = stage
    this.#options = options
    this.#members = members
    this.#messages = [...stage.conversation]
    this.#last = stage.conversation.findLast(({ name }) => this.find(name).length > 0)?.name
    this.#queue(stage.question, undefined)
  }

  state(round: number): ChatState {
    return { messages: this.#messages, names: this.#members.map(({ name }) => name), round, last: this.#last }
  }

  find(names: string | readonly string[] | undefined): ChatMember[] {
    const wanted = typeof names === 'string' ? [names] : (names ?? [])
    return [...new Set(wanted)].flatMap((name) => this.#members.find((member) => member.name === name) ?? [])
  }

  /** Members that were mentioned and have not spoken since. */
  takeMentioned(most: number): ChatMember[] {
    return this.find(this.#mentioned.splice(0, most))
  }

  /** One round. Gives whether the chat is over. */
  async talk(speakers: readonly ChatMember[]): Promise<boolean> {
    const { stopToken, until } = this.#options
    const from = this.#messages.length
    await this.#runAgents(speakers.filter(isAgent))
    for (const { name } of speakers.filter((member) => !isAgent(member))) {
      const text = await this.#stage.askPerson({ name, ask: 'turn' })
      this.#stage.add({ role: 'user', name, content: text })
      this.#hear({ role: 'user', name, content: text })
    }
    const said = this.#messages.slice(from)
    if (stopToken !== undefined && said.some((message) => textOf(message).includes(stopToken))) return true
    return until?.(this.#messages) ?? false
  }

  async #runAgents(agents: readonly Agent[]): Promise<void> {
    if (agents.length === 0) return
    const write = prompter(this.#options.prompts)
    const { language } = this.#stage
    const background = this.#options.background ?? ''
    const turns = agents.map((agent) => {
      const others = this.#members.filter((member) => member !== agent).map(({ name }) => name)
      const system = write('member', language, { name: agent.name, others: others.join(', '), background })
      const turn = write('memberTurn', language, { name: agent.name })
      return { agent, input: memberInput(agent.name, this.#messages, system, turn) }
    })
    const results = await this.#stage.runTogether(turns)
    for (const [at, result] of results.entries()) {
      const name = agents[at]?.name ?? ''
      // Its turn it was, whatever came of it.
      this.#last = name
      if (result.status === 'rejected') this.#fail(result.reason)
      else {
        this.#failures = 0
        const content = saidIn(result.value, name)
        if (content.trim() !== '') this.#hear({ role: 'assistant', name, content })
      }
    }
  }

  #fail(error: unknown): void {
    const agents = this.#members.filter(isAgent)
    // Who fails is left out; when nobody can speak, there is no chat.
    if (endsRun(error, this.#stage) || ++this.#failures >= agents.length) throw error
  }

  #hear(message: Message): void {
    this.#messages.push(message)
    this.#last = message.name
    this.#queue(textOf(message), message.name)
  }

  #queue(text: string, speaker: string | undefined): void {
    for (const name of mentionsIn(text, this.#members)) {
      if (name !== speaker && !this.#mentioned.includes(name)) this.#mentioned.push(name)
    }
  }
}

/** What the others hear of a member's turn: of a team, each of those who spoke. */
function saidIn({ text, messages }: MemberResult, name: string): string {
  if (messages.every((message) => message.name === undefined || message.name === name)) return text
  const said = messages.filter((message) => message.role !== 'tool' && textOf(message) !== '')
  return said.map((message) => `${message.name ?? name}: ${textOf(message)}`).join('\n\n')
}

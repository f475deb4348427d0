import { AlcoveError } from '../../protocol/error.js'
import type { Message } from '../../protocol/message.js'
import type { Agent } from '../agent.js'
import type { AgentOptions, RunLimits } from '../options.js'

/** What all teams can be told. */
export interface TeamOptions {
  /** @default the team's kind, such as `router` */
  readonly name?: string | undefined
  /** What the team is good at, for teams that it is a member of. */
  readonly description?: string | undefined
}

/** The model that a team itself uses. Its members have their own. */
export interface ModelOptions {
  readonly model: AgentOptions['model']
  readonly sampling?: AgentOptions['sampling']
}

export type { RunLimits }

interface Named {
  readonly name: string
  readonly description?: string | undefined
}

/**
 * Checks the members of a team.
 *
 * @throws AlcoveError `invalid-argument` where there are too few, one is no agent, or two have the same name
 */
export function checkMembers<Member extends Named>(kind: string, given: readonly Member[] | undefined, least = 1) {
  const members = given ?? []
  if (!Array.isArray(members) || members.length < least) {
    throw new AlcoveError(
      'invalid-argument',
      `${kind}: expected at least ${least} agents, got ${members.length ?? 'none'}`,
    )
  }
  const names = new Set<string>()
  for (const { name } of members) {
    if (typeof name !== 'string' || name.trim() === '') {
      throw new AlcoveError('invalid-argument', `${kind}: expected agents with names, got one without`)
    }
    const compared = comparable(name)
    if (names.has(compared)) {
      throw new AlcoveError('invalid-argument', `${kind}: two agents are named '${name}'`, {
        hint: 'Give each agent a name of its own.',
      })
    }
    names.add(compared)
  }
  return members as readonly Member[]
}

/** A name as it is compared: models change case and space around. */
export function comparable(name: string): string {
  return name.trim().toLowerCase()
}

/** The members for a prompt: a line each. */
export function describeMembers(members: readonly Named[]): string {
  return members
    .map(({ name, description }) => `- ${name}${description ? `: ${line(description, 300)}` : ''}`)
    .join('\n')
}

/** The text of a message, calls and pictures left out. */
export function textOf({ content }: Message): string {
  if (typeof content === 'string') return content
  return content.flatMap((part) => (part.type === 'text' ? [part.text] : [])).join('\n')
}

/** A conversation as text for a prompt: its newest messages, each a line with its speaker. */
export function transcriptOf(messages: readonly Message[], most = 12): string {
  const said = messages.filter(
    (message) => message.role !== 'system' && message.role !== 'tool' && textOf(message) !== '',
  )
  return said
    .map((message) => `${message.name ?? message.role}: ${line(textOf(message), 1500)}`)
    .slice(-most)
    .join('\n')
}

/** Text on one line, so that it cannot look like another speaker's. */
export function line(text: string, most: number): string {
  const flat = text.replaceAll(/\s+/g, ' ').trim()
  return flat.length > most ? `${flat.slice(0, most - 1)}…` : flat
}

/** Whether a member is an agent. */
export function isAgent(member: unknown): member is Agent {
  return typeof (member as Partial<Agent> | undefined)?.stream === 'function'
}

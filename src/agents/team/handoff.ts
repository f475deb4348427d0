import { AlcoveError } from '../../protocol/error.js'
import type { Message } from '../../protocol/message.js'
import { type Tool, tool } from '../../tools/tool.js'
import { type Agent, type AgentEnvironment, agentOf, type Execute } from '../agent.js'
import { checkMembers, comparable, describeMembers, type TeamOptions, textOf } from './members.js'
import { type Prompts, prompter } from './prompts.js'
import { perform } from './stage.js'

export interface HandoffOptions extends TeamOptions {
  /** The agents. The first one begins. */
  readonly agents: readonly Agent[]
  /** To whom each may hand over, by name. @default to all others */
  readonly to?: Readonly<Record<string, readonly string[]>> | undefined
  /** A further handoff fails with `limit-reached`. @default 8 */
  readonly maxHandoffs?: number | undefined
  readonly prompts?: Prompts<'handoff'> | undefined
}

const HANDOFF = 'handoff'

/**
 * Agents that hand the conversation over to each other: each has a tool `handoff` for that, beside its own. Who is handed over to sees the
 * whole conversation, and answers the user. Each handoff is told as a `handoff` part.
 *
 * @throws AlcoveError `invalid-argument` for agents without names or with the same, or handoffs to nobody
 */
export function createHandoff(options: HandoffOptions, environment?: AgentEnvironment): Agent {
  const { name = 'handoff', description } = options
  return agentOf({ name, description }, executeHandoff(options), environment)
}

/** The runs of agents that hand over. Throws as `createHandoff` does. */
export function executeHandoff(options: HandoffOptions): Execute {
  const agents = checkMembers('handoff', options.agents)
  const { maxHandoffs = 8, to, prompts } = options
  for (const name of Object.entries(to ?? {}).flat(2)) {
    if (!agents.some((agent) => agent.name === name)) {
      throw new AlcoveError('invalid-argument', `handoff: no agent is named '${name}'`)
    }
  }
  const write = prompter(prompts)
  return (job) =>
    perform('handoff', job, async (stage) => {
      const messages = [...stage.conversation]
      let current = agents[0] as Agent
      for (let handoffs = 0; ; handoffs++) {
        const others = agents.filter(
          ({ name }) => name !== current.name && (to?.[current.name]?.includes(name) ?? true),
        )
        const system = write('handoff', stage.language, { members: describeMembers(others) })
        const result = await stage.run(current, others.length > 0 ? withSystem(system, messages) : messages, {
          isAnswer: true,
          schema: job.schema,
          extra:
            others.length > 0
              ? { tools: [handoffTool(others)], stopWhen: (state) => !!handoffIn(state.messages) }
              : undefined,
        })
        const handoff = handoffIn(result.messages)
        const next = others.find(({ name }) => handoff !== undefined && comparable(name) === comparable(handoff.to))
        if (next === undefined || handoff === undefined) return result.finish.reason
        if (handoffs >= maxHandoffs) throw tooMany(maxHandoffs)
        stage.tell({ type: 'handoff', from: current.name, to: next.name, ...(handoff.why && { why: handoff.why }) })
        stage.separate()
        messages.push(...result.messages)
        current = next
      }
    })
}

function tooMany(most: number): AlcoveError {
  return new AlcoveError('limit-reached', `The agents handed over to each other more than ${most} times`, {
    hint: 'Say in their instructions who answers what, or raise maxHandoffs.',
    details: { maxHandoffs: most },
  })
}

function handoffTool(others: readonly Agent[]): Tool {
  return tool({
    name: HANDOFF,
    description: 'Hands the conversation over to another agent, who answers the user.',
    input: {
      type: 'object',
      properties: { to: { enum: others.map(({ name }) => name) }, why: { type: 'string' } },
      required: ['to'],
    },
    execute: async ({ to }) => `Handed over to ${to}.`,
  })
}

/** The first handoff that was made in these messages. */
function handoffIn(messages: readonly Message[]): { readonly to: string; readonly why: string } | undefined {
  const parts = messages.flatMap(({ content }) => (typeof content === 'string' ? [] : content))
  const done = parts.find((part) => part.type === 'tool-result' && part.name === HANDOFF && !part.isError)
  const call = parts.find(
    (part) => part.type === 'tool-call' && done?.type === 'tool-result' && part.callId === done.callId,
  )
  const { to, why } = (call?.type === 'tool-call' ? call.input : {}) as Record<string, unknown>
  return typeof to === 'string' ? { to, why: typeof why === 'string' ? why : '' } : undefined
}

/** A conversation with a prompt before it, in one system message with its own. */
export function withSystem(prompt: string, [first, ...rest]: readonly Message[]): Message[] {
  if (first?.role === 'system') return [{ role: 'system', content: `${prompt}\n\n${textOf(first)}` }, ...rest]
  return [{ role: 'system', content: prompt }, ...(first ? [first] : []), ...rest]
}

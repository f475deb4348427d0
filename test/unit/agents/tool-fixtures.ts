import { type AgentOptions, createAgent } from '../../../src/agents/agent.js'
import { scriptedModel } from '../../../src/engines/scripted.js'
import type { Message, ToolResultPart } from '../../../src/protocol/message.js'
import type { StreamPart } from '../../../src/protocol/stream-part.js'
import { type ToolOptions, tool } from '../../../src/tools/tool.js'

export const tick = () => new Promise((resolve) => setTimeout(resolve))
export const never = () => new Promise<never>(() => {})

/** As `Promise.withResolvers`, which Node 20 has not. */
export function createGate<T>() {
  let resolve: (value: T) => void = () => {}
  let reject: (reason: unknown) => void = () => {}
  const promise = new Promise<T>((onValue, onError) => {
    resolve = onValue
    reject = onError
  })
  return { promise, resolve, reject }
}

export async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await tick()
}

export async function collect(run: AsyncIterable<StreamPart>): Promise<StreamPart[]> {
  const parts: StreamPart[] = []
  for await (const part of run) parts.push(part)
  return parts
}

export function results(messages: readonly Message[] | undefined): ToolResultPart[] {
  return (messages ?? []).flatMap(({ content }) =>
    typeof content === 'string' ? [] : content.filter((part) => part.type === 'tool-result'),
  )
}

export const call = (name: string, input: unknown = {}) => ({ name, input })
export const make = (name: string, execute: ToolOptions['execute'], more: Partial<ToolOptions> = {}) =>
  tool({ name, description: name, execute, ...more })

/** Lets a model make these calls in one turn, and gives what it was told. */
export async function told(toolCalls: { name: string; input?: unknown }[], options: Partial<AgentOptions>) {
  const model = scriptedModel([{ toolCalls }, 'done'])
  const answer = await createAgent({ model, ...options }).generate('Go')
  return { outputs: results(model.requests[1]?.messages).map(({ output }) => output), answer, model }
}

import { type AgentOptions, createAgent } from '../../../src/agents/agent.js'
import { scriptedModel } from '../../../src/engines/scripted.js'
import type { Message, ToolResultPart } from '../../../src/protocol/message.js'
import type { StreamPart } from '../../../src/protocol/stream-part.js'
import { tool } from '../../../src/tools/tool.js'

export const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

export async function collect(run: AsyncIterable<StreamPart>): Promise<StreamPart[]> {
  const parts: StreamPart[] = []
  for await (const part of run) parts.push(part)
  return parts
}

/** The tool results in a conversation. */
export function results(messages: readonly Message[] | undefined): ToolResultPart[] {
  return (messages ?? []).flatMap(({ content }) =>
    typeof content === 'string' ? [] : content.filter((part) => part.type === 'tool-result'),
  )
}

/** The input schema of `weather`. */
export const city = {
  type: 'object',
  properties: { city: { type: 'string' } },
  required: ['city'],
  additionalProperties: false,
}
export const weather = tool({
  name: 'weather',
  description: 'The weather',
  input: city,
  execute: ({ city: at }) => `${at}: sunny`,
})

/** A call as a scripted model makes it. */
export const call = (name: string, input: unknown = {}) => ({ name, input })

/** Runs the calls, then an answer, and gives the results that the model got. */
export async function resultsOf(toolCalls: { name: string; input?: unknown }[], options: Partial<AgentOptions>) {
  const model = scriptedModel([{ toolCalls }, 'done'])
  const result = await createAgent({ model, ...options }).generate('Go')
  return { results: results(model.requests[1]?.messages), result, model }
}

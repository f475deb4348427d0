import { describe, expect, it } from 'vitest'
import { createAgent } from '../../../src/agents/agent.js'
import { scriptedModel } from '../../../src/engines/scripted.js'
import type { StreamPart } from '../../../src/protocol/stream-part.js'
import { tool } from '../../../src/tools/tool.js'

async function collect(run: AsyncIterable<StreamPart>): Promise<StreamPart[]> {
  const parts: StreamPart[] = []
  for await (const part of run) parts.push(part)
  return parts
}

const city = {
  type: 'object',
  properties: { city: { type: 'string' } },
  required: ['city'],
  additionalProperties: false,
}
const weather = tool({
  name: 'weather',
  description: 'The weather',
  input: city,
  execute: ({ city: at }) => `${at}: sunny`,
})

describe('a dialect', () => {
  const text = (input: unknown) =>
    `I look.\n<tool_call>\n{"name": "weather", "arguments": ${JSON.stringify(input)}}\n</tool_call>`

  it('is used whatever the model, at every chunk size', async () => {
    for (const chunkSize of [1, 2, 5, 13, 1000]) {
      const model = scriptedModel([text({ city: 'Oslo' }), '<think>so</think>It is sunny.'], { chunkSize })
      const run = createAgent({ model, tools: [weather], dialect: 'hermes', instructions: 'Be brief.' }).stream(
        'Weather?',
      )
      const parts = await collect(run)
      expect(await run.text).toBe('I look.\nIt is sunny.')
      expect(parts.filter(({ type }) => type === 'tool-result')).toMatchObject([{ output: 'Oslo: sunny' }])
      expect(parts.filter(({ type }) => type === 'reasoning-delta').length).toBeGreaterThan(0)
      const [first, second] = model.requests
      expect(first?.tools).toBeUndefined()
      expect(first?.messages[0]?.content).toMatch(/^Be brief\.[\s\S]*<tools>/)
      expect(second?.messages.map(({ role }) => role)).toEqual(['system', 'user', 'assistant', 'user'])
      expect(second?.messages[2]?.content).toContain('"arguments": {"city":"Oslo"}')
      expect(second?.messages[3]?.content).toBe('<tool_response>\nOslo: sunny\n</tool_response>')
    }
  })

  it('is chosen for a model without native tools', async () => {
    const scripted = scriptedModel([text({ city: 'Oslo' }), 'Sunny.'])
    const model = { ...scripted, capabilities: { ...scripted.capabilities, tools: 'none' as const } }
    expect((await createAgent({ model, tools: [weather] }).generate('Go')).text).toBe('I look.\nSunny.')
    const plain = scriptedModel(['<think>hm</think>\nYes'])
    const silent = { ...plain, capabilities: { ...plain.capabilities, tools: 'none' as const } }
    const run = createAgent({ model: silent }).stream('Go')
    expect(await run.text).toBe('Yes')
  })

  it('asks for the final answer at the cap', async () => {
    const model = scriptedModel([text({ city: 'A' }), text({ city: 'B' })])
    const { text: got, finish } = await createAgent({
      model,
      tools: [weather],
      dialect: 'hermes',
      maxSteps: 1,
    }).generate('Go')
    expect(got).toBe('I look.\nI look.\n')
    expect(finish).toEqual({ reason: 'max-steps', steps: 2 })
    expect(model.requests[1]?.messages.slice(0, 3)).toEqual([...(model.requests[0]?.messages ?? []), expect.anything()])
    expect(model.requests[1]?.messages.at(-1)?.content).toMatch(/Do not call functions any more/)
  })

  it('gives garbage back to the model', async () => {
    const model = scriptedModel(['<tool_call>weather(Oslo)</tool_call>', 'Sorry.'])
    const { text: got } = await createAgent({ model, tools: [weather], dialect: 'hermes' }).generate('Go')
    expect(got).toBe('Sorry.')
    expect(model.requests[1]?.messages.at(-1)?.content).toContain('could not be read')
  })

  it('must exist', async () => {
    const agent = createAgent({ model: scriptedModel(['x']), dialect: 'klingon' })
    await expect(agent.generate('Go')).rejects.toMatchObject({ code: 'invalid-argument' })
  })
})

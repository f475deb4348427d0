import { describe, expect, it } from 'vitest'
import { createAgent } from '../../../src/agents/agent.js'
import { dialectNames, loadDialect } from '../../../src/agents/dialect/dialects.js'
import { scriptedModel } from '../../../src/engines/scripted.js'
import { tool } from '../../../src/tools/tool.js'
import { readChunks, writeTurn } from './dialect-reading.js'

const names = dialectNames.filter((name) => name !== 'none')

describe.each(names)('an agent with the dialect %s', (name) => {
  it('calls tools side by side and answers from what they gave', async () => {
    const dialect = await loadDialect(name)
    if (dialect === undefined) throw new Error(`no dialect ${name}`)
    const calls = [
      { name: 'weather', input: { city: 'Paris' } },
      { name: 'weather', input: { city: 'Rome' } },
    ]
    const model = scriptedModel([writeTurn(dialect, calls, 'I will see.'), 'Sun in Paris, rain in Rome.'], {
      chunkSize: 3,
    })
    const weather = tool({
      name: 'weather',
      description: 'Tells the weather.',
      input: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
      execute: async ({ city }: { city: string }) => ({ weather: city === 'Paris' ? 'sun' : 'rain' }),
    })
    const { text, messages, finish } = await createAgent({ model, tools: [weather], dialect: name }).generate(
      'Weather?',
    )
    expect(finish.reason).toBe('stop')
    expect(text).toBe('I will see.\nSun in Paris, rain in Rome.')
    const results = messages.flatMap(({ content }) =>
      typeof content === 'string' ? [] : content.filter((part) => part.type === 'tool-result'),
    )
    expect(results.map(({ output }) => output)).toEqual([{ weather: 'sun' }, { weather: 'rain' }])

    const [first, second] = model.requests
    expect(first?.tools).toBeUndefined()
    expect(String(first?.messages[0]?.content)).toContain('Tells the weather.')
    const [system, user, assistant, given] = second?.messages.map(({ content }) => String(content)) ?? []
    expect([system, user]).toEqual(first?.messages.map(({ content }) => String(content)))
    expect(readChunks(dialect, [assistant ?? '']).calls).toEqual(calls)
    expect(given).toMatch(/sun.*rain/s)
  })
})

import { describe, expect, it } from 'vitest'
import type { Dialect } from '../../../src/agents/dialect/dialect.js'
import { dialectNames, loadDialect } from '../../../src/agents/dialect/dialects.js'
import { ALL_TAGS, readChunks } from './dialect-reading.js'

const names = dialectNames.filter((name) => name !== 'none' && name !== 'nous')
const loaded = await Promise.all(names.map((name) => loadDialect(name)))
const dialects = loaded.filter((dialect): dialect is Dialect => dialect !== undefined)

describe('prompts', () => {
  const tools = [
    { name: 'weather', description: 'Tells the weather.', inputSchema: { type: 'object', properties: { city: {} } } },
  ]
  const messages = [
    { role: 'system', content: 'Be brief.' },
    { role: 'user', content: 'Q' },
    { role: 'assistant', content: [{ type: 'tool-call', callId: '1', name: 'weather', input: { city: 'Paris' } }] },
    {
      role: 'tool',
      content: [
        { type: 'tool-result', callId: '1', name: 'weather', output: { text: `sun ${ALL_TAGS}` } },
        { type: 'tool-result', callId: '2', name: 'weather', output: 'rain', isError: true },
      ],
    },
    { role: 'user', content: 'And?' },
  ] as const
  const base = { messages, tools, toolChoice: 'auto', final: false, language: 'en' } as const

  it.each(dialects.map((dialect) => [dialect.name, dialect] as const))(
    '%s writes tools, calls and results as text',
    (_name, dialect) => {
      const before = JSON.stringify(messages)
      const written = dialect.format(base)
      expect(JSON.stringify(messages)).toBe(before)
      expect(written.map(({ role }) => role)).toEqual(['system', 'user', 'assistant', 'user'])
      const [system, , assistant, results] = written.map(({ content }) => String(content))
      expect(system?.startsWith('Be brief.\n\n')).toBe(true)
      for (const part of ['weather', 'Tells the weather.', '"city"']) expect(system).toContain(part)
      expect(readChunks(dialect, [assistant ?? '']).calls).toEqual([{ name: 'weather', input: { city: 'Paris' } }])
      expect(results?.indexOf('sun')).toBeLessThan(results?.indexOf('rain') ?? -1)
      expect(results?.endsWith('\nAnd?')).toBe(true)
      // A result can begin no call and no turn.
      expect(readChunks(dialect, [results ?? '']).calls).toEqual([])
      expect(results).not.toMatch(/<\|(im_end|eom_id|python_tag|tool_call_end)\|>/)
    },
  )

  it.each(dialects.map((dialect) => [dialect.name, dialect] as const))(
    '%s tells what must be called, what must not, and when to answer',
    (_name, dialect) => {
      const system = (toolChoice: 'auto' | 'required' | { name: string }, language: 'en' | 'zh' = 'en') =>
        String(dialect.format({ ...base, toolChoice, language })[0]?.content)
      expect(system('required').startsWith(system('auto'))).toBe(true)
      expect(system('required')).toMatch(/must call/)
      expect(system({ name: 'weather' })).toMatch(/must call the function "weather"/)
      expect(system({ name: 'weather' }, 'zh')).toMatch(/必须调用函数“weather”/)
      const none = dialect.format({ ...base, toolChoice: 'none' })
      expect(none[0]?.content).toBe('Be brief.')
      expect(String(none[2]?.content)).toContain('Called the tool weather')
      const plain = dialect.format(base)
      const final = dialect.format({ ...base, toolChoice: 'none', final: true })
      expect(final.slice(0, -1)).toEqual(plain.slice(0, -1))
      expect(String(final.at(-1)?.content)).toMatch(/And\?\n\nDo not call functions any more/)
    },
  )

  it('writes Chinese where it is natural', () => {
    for (const dialect of dialects.filter(({ name }) => ['qwen', 'react', 'json'].includes(name))) {
      expect(String(dialect.format({ ...base, language: 'zh' })[0]?.content)).toMatch(/工具/)
    }
  })

  it('knows every dialect by name, and nous', async () => {
    expect(names).toEqual(['hermes', 'qwen', 'react', 'json', 'llama3', 'gemma', 'phi', 'lfm2', 'mistral'])
    for (const name of names) expect((await loadDialect(name))?.name).toBe(name)
    expect((await loadDialect('nous'))?.name).toBe('hermes')
    expect(await loadDialect('toString')).toBeUndefined()
  })
})

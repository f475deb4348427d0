import { describe, expect, it } from 'vitest'
import type { Decoder } from '../../../src/engines/transformers/decoder.js'
import { generateText, type Writer } from '../../../src/engines/transformers/generate.js'
import type { ModelPart, Sampling } from '../../../src/protocol/model.js'

/** Tokens are characters; the model writes this text, then ends with token 0. Each run of 10 tokens takes 100 ms. */
function fakeWriter(text: string, more: Partial<Writer> = {}) {
  const fed: number[][] = []
  let now = 0
  let at = 0
  const decoder: Decoder = {
    readsInSteps: true,
    rewind: async () => 0,
    async feed(tokens) {
      fed.push([...tokens])
      now += tokens.length * 10
      // One token is one that was written; a prompt comes in larger steps.
      if (tokens.length === 1) at++
      const logits = new Float32Array(256).fill(-10)
      logits[text.codePointAt(at) ?? 0] = 10
      return logits
    },
    reset: async () => {},
  }
  const writer: Writer = {
    modelId: 'm',
    decoder,
    texts: {
      decode: (tokens) => String.fromCodePoint(...tokens),
      isSpecial: (token) => token === 1 || token === 2,
      textOf: (token) => (token === 2 ? '<tool_call>' : ''),
    },
    contextTokens: 100,
    endTokens: new Set([0]),
    defaults: {},
    firstStepTokens: 32,
    ...more,
  }
  const clock = { now: () => now, wallTime: () => now, sleep: async () => {}, setTimer: () => () => {} }
  return { writer, fed, clock }
}

async function run(text: string, sampling: Sampling = {}, more: Partial<Writer> = {}, prompt = [65, 66, 67, 68, 69]) {
  const { writer, fed, clock } = fakeWriter(text, more)
  const parts: ModelPart[] = []
  const signal = new AbortController().signal
  for await (const part of generateText(writer, prompt, { messages: [], sampling }, signal, clock)) parts.push(part)
  const shown = parts.map((part) => (part.type === 'text-delta' ? part.text : '')).join('')
  const usage = parts.find((part) => part.type === 'model-usage')?.usage
  return { parts, shown, usage, fed, last: parts.at(-1) }
}

describe('generateText', () => {
  it('writes until the end token, then usage and finish', async () => {
    const { shown, usage, last, parts } = await run('hello')
    expect(shown).toBe('hello')
    expect(usage).toMatchObject({ promptTokens: 5, completionTokens: 5, cachedTokens: 0, prefillMs: 50 })
    expect(parts.at(-2)?.type).toBe('model-usage')
    expect(last).toEqual({ type: 'model-finish', reason: 'stop' })
  })

  it('ends with length at maxTokens, and at the end of the context', async () => {
    expect(await run('hello', { maxTokens: 3 })).toMatchObject({ shown: 'hel', last: { reason: 'length' } })
    expect(await run('hello', {}, { contextTokens: 7 })).toMatchObject({ shown: 'he', last: { reason: 'length' } })
  })

  it('refuses a prompt that leaves no room', async () => {
    await expect(run('hello', {}, { contextTokens: 5 })).rejects.toMatchObject({
      code: 'context-overflow',
      details: { promptTokens: 5, contextTokens: 5 },
    })
  })

  it('stops at a stop text and does not show it', async () => {
    const { shown, last, usage } = await run('one STOP two', { stop: ['STOP'] })
    expect([shown, last]).toEqual(['one ', { type: 'model-finish', reason: 'stop' }])
    expect(usage?.completionTokens).toBe(8)
    expect(await run('one STO', { stop: ['STOP'] })).toMatchObject({ shown: 'one STO' })
  })

  it('leaves special tokens out, but for those that a dialect reads', async () => {
    expect((await run('a\u0001b\u0002c')).shown).toBe('ab<tool_call>c')
  })

  it('reads a long prompt in steps and hears a cancel between them', async () => {
    const prompt = Array.from({ length: 200 }, () => 65)
    const { fed } = await run('x', {}, { contextTokens: 400 }, prompt)
    expect(fed.slice(0, 3).map((tokens) => tokens.length)).toEqual([32, 40, 40])
    const { writer, clock } = fakeWriter('x', { contextTokens: 400 })
    const controller = new AbortController()
    const parts = generateText(writer, prompt, { messages: [] }, controller.signal, clock)
    await parts.next()
    await parts.next()
    controller.abort()
    await expect(parts.next()).rejects.toMatchObject({ code: 'aborted' })
  })
})

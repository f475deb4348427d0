import { describe, expect, it } from 'vitest'
import { createConstrainer } from '../../../src/engines/grammar/constraint.js'
import type { Decoder } from '../../../src/engines/transformers/decoder.js'
import { generateText, type Writer } from '../../../src/engines/transformers/generate.js'
import { createSampler } from '../../../src/engines/transformers/sampler.js'
import type { ModelPart, OutputConstraint, Sampling } from '../../../src/protocol/model.js'

/** Tokens are ASCII characters; the model would always write the next letter of its own text. */
function writerOf(text: string) {
  const fed: number[][] = []
  const decoder: Decoder = {
    readsInSteps: true,
    rewind: async () => 0,
    async feed(tokens) {
      fed.push([...tokens])
      const logits = new Float32Array(128).fill(-10)
      const written = fed.slice(1).flat().length
      logits[text.charCodeAt(written) || 0] = 10
      return logits
    },
    reset: async () => {},
  }
  const tokens = Array.from({ length: 128 }, (_, code) => (code === 0 ? '' : String.fromCharCode(code)))
  const endTokens = new Set([0])
  const constrainer = createConstrainer(
    { tokens, encode: (given) => Array.from(given, (character) => character.charCodeAt(0)) },
    endTokens,
  )
  const writer: Writer = {
    modelId: 'm',
    decoder,
    texts: { decode: (ids) => String.fromCharCode(...ids), isSpecial: () => false, textOf: () => '' },
    contextTokens: 200,
    endTokens,
    defaults: {},
    firstStepTokens: 64,
    constrainer: () => constrainer,
  }
  return { writer, fed }
}

async function run(text: string, output: OutputConstraint | undefined, sampling: Sampling = {}, more: object = {}) {
  const { writer, fed } = writerOf(text)
  const parts: ModelPart[] = []
  const request = { messages: [], sampling, output }
  const { signal } = new AbortController()
  for await (const part of generateText({ ...writer, ...more }, [65, 66], request, signal)) parts.push(part)
  const shown = parts.map((part) => (part.type === 'text-delta' ? part.text : '')).join('')
  const usage = parts.find((part) => part.type === 'model-usage')?.usage
  return { shown, fed, usage, last: parts.at(-1) }
}

const schema = (given: Readonly<Record<string, unknown>>): OutputConstraint => ({ type: 'json-schema', schema: given })

describe('generateText with a form', () => {
  it('writes what fits, whatever the model would', async () => {
    const { shown, last } = await run('no JSON at all', schema({ enum: ['yes', 'nay'] }))
    expect(shown).toMatch(/^"(yes|nay)"$/)
    expect(last).toEqual({ type: 'model-finish', reason: 'stop' })
  })

  it('lets the model choose where there is a choice', async () => {
    expect((await run('"nay" and more', schema({ enum: ['yes', 'nay'] }))).shown).toBe('"nay"')
    expect((await run('42\0', schema({ type: 'integer' }))).shown).toBe('42')
  })

  it('reads what must come in one run of the engine', async () => {
    const { shown, fed, usage } = await run(
      '{"temperature": 7}',
      schema({ properties: { temperature: { enum: [7, 8] } }, required: ['temperature'] }),
    )
    expect(shown).toBe('{"temperature": 7}')
    expect(fed.map((tokens) => tokens.length)).toEqual([2, 15, 1, 1])
    expect(usage?.completionTokens).toBe(18)
  })

  it('ends with length when the form is not complete', async () => {
    const { shown, last } = await run('', schema({ const: 'a longer text' }), { maxTokens: 6 })
    expect(shown).toBe('"a lon')
    expect(last).toMatchObject({ reason: 'length' })
  })

  it('keeps to the form when tokens are drawn by chance', async () => {
    for (let seed = 0; seed < 20; seed++) {
      const sampling = { temperature: 2, topP: 0.99, seed }
      expect((await run('x', schema({ enum: ['yes', 'nay', 'nil'] }), sampling)).shown).toMatch(/^"(yes|nay|nil)"$/)
    }
  })

  it('refuses a form before anything is read', async () => {
    await expect(run('x', schema({ enum: [] }))).rejects.toMatchObject({ code: 'invalid-argument' })
    const unknown = run('x', schema({}), {}, { constrainer: () => undefined })
    await expect(unknown).rejects.toMatchObject({ code: 'invalid-argument' })
  })
})

describe('createSampler', () => {
  it('never draws a forbidden token', () => {
    const logits = () => Float32Array.from([-Infinity, 1, -Infinity, 0, -Infinity])
    for (const random of [0, 0.5, 0.999_999_999_999, 1]) {
      for (const options of [{ temperature: 1 }, { temperature: 1, topK: 4 }, { temperature: 1, topP: 0.5 }]) {
        expect([1, 3]).toContain(createSampler(options, [], () => random).sample(logits()))
      }
    }
  })

  it('counts a token that was chosen without it', () => {
    const sampler = createSampler({ frequencyPenalty: 1 }, [])
    sampler.accept(0)
    expect(sampler.sample(Float32Array.from([1.5, 1]))).toBe(1)
  })
})

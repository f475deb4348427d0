import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from './setup.js'

const mlcFolder = process.env.ALCOVE_MLC_DIR
const STORIES = /^stories260K/

const find = (pattern: RegExp) =>
  mlcFolder && existsSync(mlcFolder)
    ? readdirSync(mlcFolder).find(
        (name) => pattern.test(name) && existsSync(join(mlcFolder, name, 'resolve/main/lib.wasm')),
      )
    : undefined

/** The tiny story model, built for this WebLLM: its texts are known, so that exact answers can be asked for. */
const id = find(STORIES)
const embedder = find(/minilm/i)

function tokenNumber(piece: string): number {
  const file = join(mlcFolder as string, id as string, 'resolve/main/tokenizer.json')
  const found = JSON.parse(readFileSync(file, 'utf8')).model.vocab[piece]
  if (typeof found !== 'number') throw new Error(`the tokenizer has no '${piece}'`)
  return found
}

test.describe('WebLLM with a real model', () => {
  test.skip(!id, 'needs ALCOVE_MLC_DIR: a folder with stories260K…/resolve/main/ and its lib.wasm')
  test.describe.configure({ timeout: 400_000 })
  const name = id as string

  test('an answer is streamed, stopped at once, and leaves the model ready', async ({ blank }) => {
    const result = await blank.evaluate(async (model) => (await import('/pages/web-llm-real.js')).stopping(model), name)
    const { whole, aborted, left, crowd } = result
    expect(whole).toMatchObject({ finish: 'length', usage: { completionTokens: 12 } })
    expect(whole.deltas).toBeGreaterThan(8)
    expect(aborted.error).toMatch(/^aborted/)
    expect(aborted.deltas).toBeLessThanOrEqual(4)
    expect(left).toMatchObject({ error: undefined, finish: undefined })
    expect(crowd.queued.error).toMatch(/^aborted/)
    expect(crowd.queued.text).toBe('')
    expect(crowd.last.positions.length).toBeGreaterThan(0)
    for (const each of [result.afterAbort, result.afterLeft, crowd.running, crowd.last, result.again]) {
      expect(each).toMatchObject({ text: whole.text, finish: 'length' })
    }
  })

  test('a chat that grows reads only what is new, and every prompt is counted exactly', async ({ blank }) => {
    const result = await blank.evaluate(async (model) => (await import('/pages/web-llm-real.js')).turns(model), name)
    const { whole, firstTurn, secondTurn, thirdTurn, other, shared, begun, goneOn, special, chunked } = result
    expect(firstTurn).toMatchObject({ finish: 'stop', text: whole.text.slice(0, whole.text.indexOf('.')) })
    for (const fresh of [whole, firstTurn, other, shared, goneOn, special, chunked]) {
      expect(fresh.usage).toMatchObject({ promptTokens: fresh.counted, cachedTokens: 0 })
    }
    for (const turn of [secondTurn, thirdTurn]) {
      expect(turn.usage?.promptTokens).toBe(turn.counted)
      expect(turn.usage?.cachedTokens).toBeGreaterThan(turn.counted / 2)
    }
    expect(goneOn.text.length).toBeGreaterThan(5)
    expect(whole.text.startsWith(begun + goneOn.text)).toBe(true)
    expect(chunked.counted).toBeGreaterThan(128)
  })

  test('tokens are chosen as asked', async ({ blank }) => {
    const tokens = { lily: tokenNumber('▁Lily'), one: tokenNumber('O') }
    const result = await blank.evaluate(
      async ([model, numbers]) => (await import('/pages/web-llm-real.js')).sampled(model, numbers),
      [name, tokens] as const,
    )
    const { greedy, stopped, forced, banned, seven, sevenAgain, others, narrow, repeated } = result
    expect(stopped).toMatchObject({ finish: 'stop', text: greedy.text.slice(0, greedy.text.indexOf(' girl')) })
    expect(forced.text.trim()).toBe('Lily Lily Lily')
    expect(greedy.text).toMatch(/^One/)
    expect(banned.text).not.toMatch(/^O/)
    expect(sevenAgain.text).toBe(seven.text)
    expect(new Set([seven, ...others].map(({ text }) => text)).size).toBeGreaterThan(1)
    expect(narrow.text).toBe(greedy.text)
    expect(result.penalized.text).not.toBe(repeated.text)
    expect(result.repetition.text).not.toBe(repeated.text)
    expect(result.wrong.error).toMatch(/^invalid-argument/)
    expect(result.after.text).toBe(greedy.text)
  })

  test('answers are held to a schema and to a grammar', async ({ blank }) => {
    const result = await blank.evaluate(async (model) => (await import('/pages/web-llm-real.js')).formed(model), name)
    for (const answer of [result.schema, result.penalized, result.warm]) {
      expect(answer).toMatchObject({ finish: 'stop', error: undefined })
      const value = JSON.parse(answer.text)
      expect(Object.keys(value)).toEqual(['name', 'happy', 'friends', 'note'])
      expect(['Lily', 'Tom']).toContain(value.name)
      expect(typeof value.happy).toBe('boolean')
      expect(value.note.length).toBeLessThanOrEqual(12)
    }
    expect(result.ebnf).toMatchObject({ text: expect.stringMatching(/^(yes|no)$/), finish: 'stop' })
    expect(result.repeated.text).toMatch(/^[abc]{5}\.$/)
    expect(result.broken.error).toMatch(/^invalid-argument/)
    expect(result.free.text.length).toBeGreaterThan(5)
  })

  test('a shorter context is kept to', async ({ blank }) => {
    const { contextTokens, filled, over, after } = await blank.evaluate(
      async (model) => (await import('/pages/web-llm-real.js')).shortContext(model, 64),
      name,
    )
    expect(contextTokens).toBe(64)
    expect(filled).toMatchObject({ finish: 'length', error: undefined })
    const { promptTokens = 0, completionTokens = 0 } = filled.usage ?? {}
    expect(promptTokens + completionTokens).toBeLessThanOrEqual(65)
    expect(promptTokens + completionTokens).toBeGreaterThan(60)
    expect(over.error).toMatch(/^context-overflow/)
    expect(after).toMatchObject({ finish: 'length', error: undefined })
  })

  test('an aborted load disturbs no later one', async ({ blank }) => {
    const { codes, both, second } = await blank.evaluate(
      async (model) => (await import('/pages/web-llm-real.js')).abortedLoads(model),
      name,
    )
    expect(codes).toEqual(['aborted', 'aborted', 'aborted', 'aborted'])
    expect(both[0]).toMatchObject({ error: undefined, finish: 'length' })
    expect(both[1]?.text).toBe(both[0]?.text)
    expect(second).toMatchObject({ text: both[0]?.text, error: undefined })
  })

  test('in its worker: a crashed GPU process, and the same stream goes on', async ({ blank }) => {
    let crashes = 0
    await blank.exposeFunction('doHarm', async () => {
      const session = await blank.context().browser()?.newBrowserCDPSession()
      await session?.send('Browser.crashGpuProcess').catch(() => {})
      crashes++
    })
    const { whole, told, next, failures } = await blank.evaluate(
      async (model) => (await import('/pages/recovery.js')).disturb({ id: `webllm:${model}` }, 'test', 40),
      name,
    )
    expect(crashes).toBe(1)
    expect(whole).toMatchObject({ finish: 'length' })
    expect(failures).toEqual(['device-lost again'])
    expect(told).toMatchObject({ error: undefined, finish: 'length', text: whole.text })
    expect(told.statuses).toContain('recovered')
    expect(told.usage?.completionTokens).toBe(40)
    expect(next).toMatchObject({ error: undefined, finish: 'length' })
  })

  test('in its worker: a worker that dies without a word, and the same stream goes on', async ({ blank }) => {
    const { whole, told, next, failures } = await blank.evaluate(
      async (model) => (await import('/pages/recovery.js')).disturb({ id: `webllm:${model}` }, 'crash', 40),
      name,
    )
    expect(failures).toEqual(['worker-crashed again'])
    expect(told).toMatchObject({ error: undefined, finish: 'length', text: whole.text })
    expect(next).toMatchObject({ error: undefined, finish: 'length' })
  })
})

test('WebLLM with a real embedding model: a vector does not depend on what else is in its batch', async ({ blank }) => {
  test.skip(!embedder, 'needs ALCOVE_MLC_DIR: a folder with a MiniLM…/resolve/main/ and its lib.wasm')
  test.setTimeout(400_000)
  const texts = ['A cat sits on the mat.', 'Dogs run.', 'A cat is lying on the mat.', 'Cats hide.', 'Dogs run.']
  const { together, alone, counts, dimensions } = await blank.evaluate(
    async ([model, list]) => (await import('/pages/web-llm-real.js')).embedded(model, list),
    [embedder as string, texts] as const,
  )
  const cosine = (first: readonly number[] = [], second: readonly number[] = []) =>
    first.reduce((sum, value, index) => sum + value * (second[index] ?? 0), 0)
  expect(dimensions).toBe(together[0]?.length)
  expect(new Set(counts).size).toBeGreaterThan(1)
  for (const [index, vector] of together.entries()) expect(cosine(vector, alone[index])).toBeGreaterThan(0.999_9)
  expect(cosine(together[0], together[2])).toBeGreaterThan(cosine(together[0], together[1]))
})

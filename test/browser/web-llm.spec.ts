import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, origins, test } from './setup.js'

const mlcFolder = process.env.ALCOVE_MLC_DIR

/** Name of the first model in the folder that has its configuration and its compiled library. */
function findMlcModel(): string | undefined {
  if (!mlcFolder || !existsSync(mlcFolder)) return undefined
  return readdirSync(mlcFolder).find((name) =>
    ['mlc-chat-config.json', 'lib.wasm'].every((file) => existsSync(join(mlcFolder, name, 'resolve', 'main', file))),
  )
}
const mlcModel = findMlcModel()

test.describe('WebLLM', () => {
  test('says what is there, and why not, without loading', async ({ blank }) => {
    const requests: string[] = []
    blank.on('request', (request) => requests.push(request.url()))
    const found = await blank.evaluate(async () => (await import('/pages/web-llm.js')).lookups())
    const unavailable = (code: string, rest = {}) => ({ state: 'unavailable', error: { code, ...rest } })
    expect(found).toMatchObject({
      unknown: unavailable('model-not-found', { hint: expect.stringContaining('Qwen2.5-0.5B-Instruct-q4f16_1-MLC') }),
      hubOnly: unavailable('model-not-found'),
      notServed: unavailable('model-not-found', { message: expect.stringContaining('/no-such-models/') }),
      needsF16: unavailable('webgpu-unavailable', { details: { missing: ['shader-f16'] } }),
      plain: { state: 'downloadable', device: 'webgpu' },
      unreachable: unavailable('network', { retryable: true }),
    })
    expect(found.plain?.bytes).toBeGreaterThan(100_000_000)
    const away = requests.filter((url) => !url.startsWith(origins().home) && !url.startsWith('http://localhost:1/'))
    expect(away).toEqual([])
  })

  test('broken models fail with a code, WebLLM’s own errors too', async ({ blank }) => {
    const errors = await blank.evaluate(async () => (await import('/pages/web-llm.js')).loadErrors())
    const failed = expect.stringMatching(/^model-load-failed: .{10}/)
    expect(errors).toEqual({
      cutConfig: failed,
      htmlConfig: expect.stringMatching(/^model-not-found: /),
      noLibrary: expect.stringMatching(/^model-not-found: .*lib\.wasm/),
      htmlLibrary: failed,
      rawNoLibrary: failed,
      rawHtmlLibrary: failed,
      rawForeignLibrary: failed,
    })
  })

  test('an abort settles a load that would never end', async ({ blank }) => {
    const { code } = await blank.evaluate(async () => (await import('/pages/web-llm.js')).abortLoad())
    expect(code).toBe('aborted')
  })

  test('a real self-hosted model', async ({ blank }) => {
    test.skip(!mlcModel, 'needs ALCOVE_MLC_DIR: a folder with <id>/resolve/main/ of an f32 build and its lib.wasm')
    test.slow()
    const result = await blank.evaluate(
      async ([base, id]) => (await import('/pages/web-llm.js')).runRealModel(new URL(base, location.href).href, id),
      ['/models/', mlcModel as string] as const,
    )
    expect(result.before.state).toBe('downloadable')
    expect(result.after.state).toBe('available')
    expect(result.statuses.length).toBeGreaterThan(0)
    expect(result.first).toMatchObject({ last: 'model-finish', error: null })
    expect(result.first.usage).toMatchObject({ promptTokens: result.counted })
    expect(result.secondTurn.usage).toMatchObject({ promptTokens: result.countedSecond })
    // The first answer was cut at its length: WebLLM keeps its state only after one that ended by itself.
    expect(result.secondTurn.usage?.cachedTokens).toBe(0)
    expect(result.aborted).toMatchObject({ error: 'aborted' })
    expect(result.afterAbort.text).toBe(result.first.text)
    expect(result.grammar.text).toMatch(/^(yes|no)$/)
    expect(result.dollars).toBeGreaterThan(0)
    expect(result.overflow.error).toBe('context-overflow')
    expect(result.afterOverflow.text).toBe(result.first.text)
    expect(result.again.text).toBe(result.first.text)
  })
})

import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, models, origins, test } from './setup.js'

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
/** Texts that may be lost between a model and a cache when both die: one batch that was under way, one that was being written. */
const lostAtMost = 128

test.describe('an add that is cut off', () => {
  test('by the death of its worker goes on when it is added again', async ({ blank }) => {
    const result = await blank.evaluate(async () => (await import('/pages/embedding.js')).killWorker('kill-worker'))
    expect(result.code).toBe('worker-crashed')
    expect(result.before).toBeGreaterThanOrEqual(40)
    expect(result.before).toBeLessThan(200)
    expect(result).toMatchObject({ failed: 0, best: 'd150', stats: { documents: 200, pendingVectors: 0 } })
    expect(result.added + result.unchanged).toBe(200)
    expect(result.unchanged).toBe(result.before)
    expect(result.texts).toBe(result.stats.chunks)
    expect(result.twice).toBeLessThanOrEqual(Math.min(lostAtMost, result.stats.chunks - result.atKill))
  })

  test('by closing the tab goes on in another one', async ({ context }) => {
    const address = new URL('/pages/blank.html', origins().home).href
    const first = await context.newPage()
    await first.goto(address)
    const begun = await first.evaluate(async () => (await import('/pages/embedding.js')).beginAdd('close-tab'))
    expect(begun.ready).toBe(40)
    await first.close()
    const second = await context.newPage()
    await second.goto(address)
    const result = await second.evaluate(async () => (await import('/pages/embedding.js')).finishAdd('close-tab'))
    expect(result.before).toBeGreaterThanOrEqual(40)
    expect(result).toMatchObject({ failed: 0, best: 'd150', stats: { documents: 200, pendingVectors: 0 } })
    expect(result.added + result.unchanged).toBe(200)
    expect(result.texts).toBe(result.stats.chunks)
    expect(result.twice).toBeLessThanOrEqual(lostAtMost)
  })

  test('by a pause stands still, answers searches, and goes on', async ({ blank }) => {
    const result = await blank.evaluate(async () => (await import('/pages/embedding.js')).pauseAdd('pause'))
    const [first = 0, later = 0] = result.counts
    expect(later).toBe(first)
    expect(first).toBeLessThan(result.stats.chunks)
    expect(result.hits).toBeGreaterThan(0)
    expect(result).toMatchObject({ added: 200, twice: 0, stats: { documents: 200, pendingVectors: 0 } })
  })
})

test.describe('the embedding engine', () => {
  test.skip(!models.embedding, 'needs all-MiniLM-L6-v2 in the models folder')

  test('is not fetched by opening a corpus, and never for one without vectors', async ({ blank }) => {
    const result = await blank.evaluate(async () => (await import('/pages/embedding.js')).askedToDownload('asked'))
    expect(result.counts).toEqual({ none: 0, opened: 0, added: 1 })
    expect(result).toMatchObject({ isPaused: true, added: 1, hit: 'heron' })
    expect(result.stats).toMatchObject({ dimensions: 384, pendingVectors: 0 })
    expect(result.plainStats).toMatchObject({ documents: 1, embedder: null, dimensions: 0 })
  })

  test('works beside a copy of itself in a long add: same vectors, and searches are answered meanwhile', async ({
    blank,
  }) => {
    test.setTimeout(180_000)
    const result = await blank.evaluate(async () =>
      (await import('/pages/embedding.js')).addWithCopies('copies', '/dist/workers/'),
    )
    expect(result).toMatchObject({ added: 1200, failed: 0, opened: 1, stats: { pendingVectors: 0 } })
    expect(result.worst).toBeGreaterThan(0.9999)
    expect(result.waits.length).toBeGreaterThan(2)
  })

  test('takes several threads in a page that is cross-origin isolated, and one elsewhere', async ({ page, blank }) => {
    // @ts-expect-error a script of plain JavaScript without declarations
    const { serve, CONTENT_SECURITY_POLICY } = await import('../../scripts/serve.mjs')
    const folders = [process.env.ALCOVE_MODELS_DIR, join(root, 'models')].filter((path) => path && existsSync(path))
    const site = await serve({
      mounts: [
        ['/dist/', join(root, 'dist')],
        ['/pages/', join(root, '.alcove', 'pages')],
        ...folders.map((folder) => ['/models/', folder]),
      ],
      headers: {
        'content-security-policy': CONTENT_SECURITY_POLICY,
        'cross-origin-opener-policy': 'same-origin',
        'cross-origin-embedder-policy': 'require-corp',
      },
    })
    try {
      const alone = await blank.evaluate(async () =>
        (await import('/pages/embedding.js')).loadWithCores('plain', '/dist/workers/', 4),
      )
      expect(alone).toMatchObject({ isIsolated: false, best: 'heron', stats: { dimensions: 384, pendingVectors: 0 } })
      expect(alone.messages.join('\n')).toContain('wasm, 1 thread')
      await page.goto(new URL('/pages/blank.html', site.url).href)
      const isolated = await page.evaluate(async () =>
        (await import('/pages/embedding.js')).loadWithCores('isolated', '/dist/workers/', 4),
      )
      expect(isolated).toMatchObject({ isIsolated: true, best: 'heron', stats: { dimensions: 384, pendingVectors: 0 } })
      expect(isolated.messages.join('\n')).toContain('wasm, 2 threads')
    } finally {
      await site.close()
    }
  })
})

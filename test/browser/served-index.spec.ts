import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Page } from '@playwright/test'
import { expect, models, test } from './setup.js'

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
const served = join(root, '.alcove', 'pages')
const docs = join(root, '.alcove', 'served-docs')
const modelFolder = process.env.ALCOVE_MODELS_DIR ?? join(root, 'models')

/** Runs the package's command as an app would that has it installed. */
function indexFolder(output: string, ...flags: string[]): string {
  const installed = join(docs, 'app', 'node_modules', 'alcove')
  mkdirSync(installed, { recursive: true })
  cpSync(join(root, 'dist', 'cli'), join(installed, 'dist', 'cli'), { recursive: true })
  cpSync(join(root, 'package.json'), join(installed, 'package.json'))
  const command = join(installed, 'dist', 'cli', 'alcove.js')
  return execFileSync(process.execPath, [command, 'index', join(docs, 'files'), '-o', join(served, output), ...flags], {
    cwd: join(docs, 'app'),
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  })
}

/** The client on a page, which opens the file and searches it. */
const searchServed = (page: Page, url: string, embedder: string | undefined) =>
  page.evaluate(
    async ([address, model]) => {
      const { createAlcove } = (await import('/dist/index.js')) as typeof import('alcove')
      const alcove = createAlcove({
        model: 'extractive',
        modelBaseUrl: '/models/',
        maxDownloadBytes: model ? 100_000_000 : 0,
        ...(model && { embedder: model }),
        storage: { name: 'served-index' },
      })
      const corpus = await alcove.corpus('docs', { url: address, ...(!model && { vectors: 'none' as const }) })
      const hits = await corpus.search('which bird stands in shallow water', { topK: 1 })
      const refused = await corpus.add({ text: 'more' }).then(
        () => 'added',
        (error) => error.code,
      )
      const { text } = await alcove.agent({ corpus }).generate('How deep is the well?')
      const stats = await corpus.stats()
      const { warnings } = await alcove.health()
      await alcove.close()
      return { hits, refused, text, stats, warnings: warnings.map(({ code }) => code) }
    },
    [url, embedder] as const,
  )

test.describe('a corpus file that was made in Node', () => {
  test.beforeAll(() => {
    rmSync(docs, { recursive: true, force: true })
    mkdirSync(join(docs, 'files', 'deep'), { recursive: true })
    writeFileSync(join(docs, 'files', 'birds.md'), '# Birds\n\nThe heron waits in shallow water for fish.')
    writeFileSync(join(docs, 'files', 'deep', 'well.html'), '<title>Well</title><p>The well is forty metres deep.</p>')
    // Large enough that most of it is not read with the header.
    const filler = 'Accounts of the mill and its many owners fill the shelves of the archive. '.repeat(200)
    for (let n = 0; n < 60; n++) writeFileSync(join(docs, 'files', `mill${n}.txt`), `Volume ${n}. ${filler}`)
    indexFolder('words.alcove', '--no-vectors')
  })
  test.afterAll(() => {
    rmSync(docs, { recursive: true, force: true })
    for (const name of ['words', 'vectors']) rmSync(join(served, `${name}.alcove`), { force: true })
  })

  test('is searched by ranges, without a model', async ({ blank }) => {
    const requests: string[] = []
    blank.context().on('request', (request) => {
      if (request.url().endsWith('.alcove')) requests.push(request.headers().range ?? 'all')
    })
    const seen = await searchServed(blank, 'words.alcove', undefined)
    expect(seen.hits[0]?.source).toMatchObject({ id: 'birds.md', title: 'Birds' })
    expect(seen).toMatchObject({ refused: 'read-only', warnings: [], stats: { documents: 62, embedder: null } })
    expect(seen.text).toContain('forty metres')
    expect(requests[0]).toBe('bytes=0-262143')
    expect(requests.every((range) => range.startsWith('bytes='))).toBe(true)
  })

  test('from a server without ranges is read whole', async ({ page }) => {
    // @ts-expect-error a script of plain JavaScript without declarations
    const { serve, CONTENT_SECURITY_POLICY } = await import('../../scripts/serve.mjs')
    const server = await serve({
      mounts: [
        ['/dist/', join(root, 'dist')],
        ['/pages/', served],
      ],
      headers: { 'content-security-policy': CONTENT_SECURITY_POLICY },
      ranges: false,
    })
    try {
      await page.goto(new URL('/pages/blank.html', server.url).href)
      const seen = await searchServed(page, 'words.alcove', undefined)
      expect(seen.hits[0]?.source.id).toBe('birds.md')
      expect(seen).toMatchObject({ refused: 'read-only', warnings: ['http-status'] })
    } finally {
      await server.close()
    }
  })

  test('with vectors: the page embeds the query alone, by the model that made them', async ({ blank }) => {
    test.skip(models.embedding === undefined, 'the embedding model is not on this machine')
    cpSync(join(root, 'node_modules', '@huggingface'), join(docs, 'app', 'node_modules', '@huggingface'), {
      recursive: true,
    })
    const said = execFileSync(
      process.execPath,
      [
        join(root, 'dist', 'cli', 'alcove.js'),
        'index',
        join(docs, 'files'),
        ...['-o', join(served, 'vectors.alcove'), '-m', join(modelFolder, 'all-MiniLM-L6-v2'), '--chunk-tokens', '128'],
      ],
      { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] },
    )
    expect(said).toBe('')
    const seen = await searchServed(blank, 'vectors.alcove', models.embedding)
    expect(seen.hits[0]).toMatchObject({ source: { id: 'birds.md' }, ranks: { vector: 1 } })
    expect(seen).toMatchObject({ warnings: [], stats: { embedder: models.embedding, dimensions: 384 } })
  })

  test('that is not there, or is a page, is a typed error', async ({ blank }) => {
    const codes = await blank.evaluate(async () => {
      const { createAlcove } = (await import('/dist/index.js')) as typeof import('alcove')
      const alcove = createAlcove({ model: 'extractive', maxDownloadBytes: 0 })
      const open = (url: string) =>
        alcove.corpus('docs', { url, vectors: 'none' }).then(
          () => 'opened',
          (error) => error.code,
        )
      const found = [await open('missing.alcove'), await open('blank.html'), await open('http://[')]
      await alcove.close()
      return found
    })
    expect(codes).toEqual(['http-status', 'parse-failed', 'invalid-argument'])
  })
})

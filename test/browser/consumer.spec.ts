import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Page } from '@playwright/test'
import { build, createServer, preview } from 'vite'
import { expect, test } from './setup.js'

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
const app = join(root, '.alcove', 'consumer')

/** An app as a user has it: the package in node_modules, no configuration. */
function makeApp(): void {
  rmSync(app, { recursive: true, force: true })
  const installed = join(app, 'node_modules', 'alcove')
  mkdirSync(installed, { recursive: true })
  cpSync(join(root, 'dist'), join(installed, 'dist'), { recursive: true })
  cpSync(join(root, 'package.json'), join(installed, 'package.json'))
  writeFileSync(join(app, 'package.json'), JSON.stringify({ name: 'app', private: true, type: 'module' }))
  writeFileSync(
    join(app, 'index.html'),
    '<!doctype html><title>App</title><link rel="icon" href="data:,"><script type="module" src="/main.js"></script>',
  )
  writeFileSync(
    join(app, 'main.js'),
    [
      "import { createAlcove } from 'alcove'",
      "import { javascriptTool } from 'alcove/tools/javascript'",
      "const alcove = createAlcove({ model: 'extractive', maxDownloadBytes: 0 })",
      "const corpus = await alcove.corpus('app')",
      "const pdf = new File(['%PDF-1.4 broken'], 'broken.pdf')",
      "const added = await corpus.add([{ title: 'note', text: 'The well is forty metres deep.' }, pdf])",
      "const answer = await alcove.agent({ corpus }).generate('How deep is the well?')",
      "const missing = await alcove.agent({ model: 'webllm:No-Such-Model' }).generate('hi').catch((error) => error.code)",
      'const context = { signal: new AbortController().signal, callId: "1", report() {} }',
      "const computed = await javascriptTool().execute({ code: '6 * 7' }, context).catch(String)",
      'window.result = { computed, text: answer.text, failed: added.failed.map(({ code }) => code), missing }',
    ].join('\n'),
  )
}

async function openApp(page: Page, url: string): Promise<unknown> {
  await page.goto(url)
  await page.waitForFunction(() => 'result' in window, undefined, { timeout: 60_000 })
  return page.evaluate(() => (window as unknown as { result: unknown }).result)
}

const EXPECTED = {
  computed: { result: 42 },
  text: expect.stringContaining('forty metres deep'),
  failed: ['parse-failed'],
  missing: 'model-not-found',
}

test.describe('an app that a user builds with Vite, without configuration', () => {
  test.beforeAll(makeApp)
  test.afterAll(() => rmSync(app, { recursive: true, force: true }))

  test('its workers, nested workers and engines start in the build', async ({ page }) => {
    await build({ root: app, logLevel: 'error', configFile: false })
    const server = await preview({
      root: app,
      logLevel: 'error',
      configFile: false,
      preview: { port: 0, host: '127.0.0.1' },
    })
    try {
      expect(await openApp(page, server.resolvedUrls?.local[0] ?? '')).toEqual(EXPECTED)
    } finally {
      await server.close()
    }
  })

  test('and in the development server', async ({ page }) => {
    const server = await createServer({
      root: app,
      logLevel: 'error',
      configFile: false,
      server: { port: 0, host: '127.0.0.1' },
    })
    await server.listen()
    try {
      expect(await openApp(page, server.resolvedUrls?.local[0] ?? '')).toEqual(EXPECTED)
    } finally {
      await server.close()
    }
  })
})

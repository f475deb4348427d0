// What a page pays for the library: bytes that it loads, gzip level 9. Runs a first answer from a worker in Chromium and adds up the
// page's own scripts until its first text. Workers load theirs by themselves and do not hold up the page.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'

const what = 'Bytes of JavaScript that a page loads, gzip level 9.'
const chatFolder = 'stories260K'

/** @param {Uint8Array | string} data */
const gzipBytes = (data) => gzipSync(data, { level: 9 }).length

/** Bytes of files below the build's folder. @param {string} dist @param {readonly string[]} files */
const sumOf = (dist, files) => files.reduce((sum, file) => sum + gzipBytes(readFileSync(join(dist, file))), 0)

/** Bytes of a bundle of one module, made for a page as an application would. @param {string} root @param {string} code */
async function bundleBytes(root, code) {
  const { rolldown } = await import('rolldown')
  const entry = join(root, 'bench', 'baseline.js')
  const build = await rolldown({
    input: entry,
    platform: 'browser',
    transform: { target: 'es2022', define: { 'process.env.NODE_ENV': '"production"' } },
    plugins: [
      {
        name: 'baseline',
        resolveId: (id) => (id === entry ? id : undefined),
        load: (id) => (id === entry ? code : undefined),
      },
    ],
    logLevel: 'silent',
  })
  const { output } = await build.generate({ format: 'es', minify: true, codeSplitting: false, comments: false })
  await build.close()
  return output.reduce((sum, chunk) => sum + (chunk.type === 'chunk' ? gzipBytes(chunk.code) : 0), 0)
}

/** Runs in the page: the scripts of this origin that the page itself has loaded so far. A worker's own loads are not among them. */
function listScripts() {
  return performance
    .getEntriesByType('resource')
    .map(({ name }) => new URL(name))
    .filter(({ origin, pathname }) => origin === location.origin && /\.m?js$/.test(pathname))
    .map(({ pathname }) => pathname)
}

/**
 * Runs in the page: answers one question, and marks the time of its first text.
 * @param {[entry: string | undefined, model: string, modelBaseUrl: string]} given
 */
async function answerOnce([entry, model, modelBaseUrl]) {
  const { createAlcove } = entry === undefined ? /** @type {any} */ (globalThis).Alcove : await import(entry)
  const alcove = createAlcove({ model, modelBaseUrl, allowRemoteModels: false, storage: { name: 'bench-page-cost' } })
  const run = alcove.agent({ sampling: { maxTokens: 12 } }).stream('Once upon a time')
  for await (const part of run) {
    if (part.type === 'error') throw new Error(`${part.error.code}: ${part.error.message}`)
    // The client is left open: closing it may load more, which is not part of the first answer.
    if (part.type === 'text-delta') return
  }
  throw new Error('expected text from the model, got none')
}

/** The files below dist/ among scripts of a page. Those of workers count as a worker's. @param {readonly string[]} paths */
function pageFiles(paths) {
  const own = [...new Set(paths)].filter((path) => !path.startsWith('/dist/workers/'))
  const strange = own.filter((path) => !path.startsWith('/dist/'))
  if (own.length === 0 || strange.length > 0) throw new Error(`expected scripts of dist/ only, got ${paths.join(', ')}`)
  return own.map((path) => path.slice('/dist/'.length))
}

/** What a page has loaded after it has imported the library, or taken in its script. @param {any} driver @param {'import' | 'script tag'} way @param {string} [model] */
async function loadedFiles({ context, openPage }, way, model) {
  const page = await openPage()
  const entry = way === 'import' ? '/dist/index.js' : undefined
  if (entry === undefined) await page.addScriptTag({ url: '/dist/alcove.iife.js' })
  else await page.evaluate((/** @type {string} */ path) => import(path).then(() => {}), entry)
  if (model !== undefined) await page.evaluate(answerOnce, [entry, model, context.modelsUrl])
  const files = pageFiles(await page.evaluate(listScripts))
  await page.context().close()
  return files
}

/** @param {string} root */
async function measureBaselines(root) {
  const webLlm = await bundleBytes(root, "export { CreateMLCEngine } from '@mlc-ai/web-llm'")
  const small = await bundleBytes(
    root,
    "export { wrap, proxy } from 'comlink'; export { get, set } from 'idb-keyval'; export { create, insert, search } from '@orama/orama'",
  )
  return [
    { what: 'WebLLM on the page', value: webLlm },
    { what: "AI SDK's browser stack", value: 2_500_000, quoted: true },
    { what: 'comlink + idb-keyval + orama', value: small },
  ]
}

/** @param {any} driver */
export async function run(driver) {
  const { root, dist, context } = driver
  const baselines = await measureBaselines(root)
  const entry = await loadedFiles(driver, 'import')
  const script = await loadedFiles(driver, 'script tag')
  const figures = [
    {
      what: 'Main entry with all that it imports at once',
      unit: 'bytes',
      value: sumOf(dist, entry),
      baselines,
      goal: { on: 'value', most: 15_000 },
    },
    { what: 'Script build', unit: 'bytes', value: sumOf(dist, script), goal: { on: 'value', most: 20_000 } },
  ]
  const notes = [`The main entry is ${entry.join(', ')}; the script build ${script.join(', ')}.`]
  if (!context.models.includes(chatFolder)) {
    return { what, report: { figures, notes, skipped: [`the first answer from a worker: no model ${chatFolder}`] } }
  }
  for (const way of /** @type {const} */ (['import', 'script tag'])) {
    const files = await loadedFiles(driver, way, `transformers:${chatFolder}`)
    figures.push({
      what: `All page scripts until the first text of a first answer, by ${way}`,
      unit: 'bytes',
      value: sumOf(dist, files),
      baselines,
      goal: { on: 'value', most: 35_000 },
    })
    notes.push(`Until the first text, by ${way}: ${files.join(', ')}.`)
  }
  return { what, report: { figures, notes } }
}

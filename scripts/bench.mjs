// Runs the benchmarks in Chromium and writes bench/results/<name>.json. `npm run bench [-- name …] [--quick] [--no-build] [--dist <folder>] [--out <folder>] [--list]`
import { existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { cpus, loadavg, totalmem } from 'node:os'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { createTable } from '../bench/report.mjs'
import { CONTENT_SECURITY_POLICY, serve } from './serve.mjs'
import { ensureBrowser, ensurePackages, root, run } from './setup.mjs'

/**
 * @typedef {{ name: string, limitMinutes: number, needsBuild?: boolean, isolated?: boolean, gpu?: boolean }} Bench
 * @typedef {{ quick: boolean, modelsUrl?: string, models: string[], dataUrl?: string }} BenchContext
 * @typedef {{ what: string, report: any }} Outcome
 * @typedef {{ quick: boolean, dist: string }} Options
 */

/**
 * All benchmarks, in the order in which they run. An isolated page has a clock of 5 µs in place of 100 µs, but ONNX Runtime takes threads
 * there, so what runs a model has an ordinary page. @type {readonly Bench[]}
 */
const BENCHES = [
  { name: 'page-cost', limitMinutes: 3, needsBuild: true },
  { name: 'transport', limitMinutes: 2, isolated: true },
  { name: 'cache', limitMinutes: 2, isolated: true },
  { name: 'sessions', limitMinutes: 3, isolated: true },
  { name: 'tools', limitMinutes: 1, needsBuild: true, isolated: true },
  { name: 'mcp', limitMinutes: 2 },
  { name: 'runs', limitMinutes: 2, needsBuild: true, isolated: true },
  { name: 'teams', limitMinutes: 4, needsBuild: true },
  { name: 'vector', limitMinutes: 6, isolated: true },
  { name: 'keyword', limitMinutes: 8, isolated: true },
  { name: 'corpus', limitMinutes: 12, needsBuild: true, isolated: true },
  { name: 'parsers', limitMinutes: 4, isolated: true },
  { name: 'embedding', limitMinutes: 10, needsBuild: true },
  { name: 'chunker', limitMinutes: 8, needsBuild: true },
  { name: 'throughput', limitMinutes: 8, needsBuild: true, gpu: true },
  { name: 'engines', limitMinutes: 10, needsBuild: true },
  { name: 'recovery', limitMinutes: 15, needsBuild: true },
  { name: 'loading', limitMinutes: 8, needsBuild: true },
  { name: 'dialects', limitMinutes: 5, isolated: true },
  { name: 'context', limitMinutes: 2, isolated: true },
  { name: 'constrained', limitMinutes: 40, needsBuild: true },
  { name: 'main-thread', limitMinutes: 5, needsBuild: true },
  { name: 'quality', limitMinutes: 8, needsBuild: true },
  { name: 'citations', limitMinutes: 3 },
  { name: 'grounding', limitMinutes: 1 },
]

/** As the tests start it: asking nobody for anything by itself; with leave to collect garbage and to read the heap's size. */
const FLAGS = [
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--disable-dev-shm-usage',
  '--enable-precise-memory-info',
  '--js-flags=--expose-gc',
]

/** A WebGPU adapter that computes on the processor. */
const SOFTWARE_GPU = ['--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader']

const ISOLATION = { 'cross-origin-opener-policy': 'same-origin', 'cross-origin-embedder-policy': 'require-corp' }

/** @param {readonly string[]} names @returns {readonly Bench[]} */
function choose(names) {
  const unknown = names.filter((name) => !BENCHES.some((bench) => bench.name === name))
  const known = BENCHES.map(({ name }) => name).join(', ')
  if (unknown.length > 0) throw new Error(`no benchmark named ${unknown.join(', ')}; there are ${known}.`)
  return names.length === 0 ? BENCHES : BENCHES.filter(({ name }) => names.includes(name))
}

/** The newest change below a folder, in milliseconds since the epoch. @param {string} folder @returns {number} */
function newestChange(folder) {
  const times = readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => statSync(join(entry.parentPath, entry.name)).mtimeMs)
  return Math.max(0, ...times)
}

/** Builds the library when there is no build or a source is newer. */
async function ensureBuild() {
  const built = join(root, 'dist', 'alcove.iife.js')
  const sources = Math.max(...['src', 'workers'].map((name) => newestChange(join(root, name))))
  if (existsSync(built) && statSync(built).mtimeMs > sources) return
  console.log('Building …')
  const code = await run('node', ['scripts/build.mjs'])
  if (code !== 0) throw new Error(`the build ended with ${code}: the lines above say why.`)
}

async function bundleBenches() {
  const { build } = await import('vite')
  await build({ configFile: join(root, 'bench', 'vite.config.ts'), logLevel: 'warn' })
}

/** Serves the build, the benchmarks, models and data. @param {string} dist @param {boolean} isolated */
async function openSite(dist, isolated) {
  const { ALCOVE_MODELS_DIR, ALCOVE_MLC_DIR } = process.env
  const models = [ALCOVE_MLC_DIR, ALCOVE_MODELS_DIR, join(root, 'models')].filter(
    (folder) => folder && existsSync(folder),
  )
  const data = process.env.ALCOVE_DATA_DIR
  const site = await serve({
    mounts: /** @type {[string, string][]} */ ([
      ['/dist/', dist],
      ['/bench/', join(root, '.alcove', 'bench')],
      ...models.map((folder) => ['/models/', folder]),
      ...(data ? [['/data/', data]] : []),
      ['/', join(root, 'bench', 'page')],
    ]),
    headers: { 'content-security-policy': CONTENT_SECURITY_POLICY, ...(isolated ? ISOLATION : {}) },
  })
  const names = models.flatMap((folder) => readdirSync(/** @type {string} */ (folder)))
  return {
    ...site,
    where: {
      models: [...new Set(names)],
      ...(models.length > 0 ? { modelsUrl: `${site.url}models/` } : {}),
      ...(data ? { dataUrl: `${site.url}data/` } : {}),
    },
  }
}

/**
 * Opens a page of its own profile; what goes wrong in it is printed. It can hand over what it has so far by `keepReport`.
 * @param {import('@playwright/test').Browser} browser @param {string} url @param {(report: any) => void} keep
 */
async function openPage(browser, url, keep) {
  const profile = await browser.newContext()
  const page = await profile.newPage()
  await page.exposeFunction('keepReport', keep)
  page.on('pageerror', (error) => console.error(`  page: ${error.stack ?? error.message}`))
  page.on('console', (message) => {
    if (message.type() === 'error') console.error(`  console: ${message.text()}`)
  })
  page.on('crash', () => console.error('  the page crashed'))
  await page.goto(url)
  return page
}

/** Runs one benchmark's module in a page. @param {import('@playwright/test').Page} page @param {string} name @param {BenchContext} context @returns {Promise<Outcome>} */
function runInPage(page, name, context) {
  return page.evaluate(
    async ([address, given]) => {
      const { what, run: measure } = await import(address)
      return { what, report: await measure(given) }
    },
    /** @type {const} */ ([`/bench/${name}.js`, context]),
  )
}

/** @template T @param {Promise<T>} work @param {number} minutes @returns {Promise<T>} */
async function within(work, minutes) {
  /** @type {NodeJS.Timeout | undefined} */
  let timer
  // The browser is closed under a work that is late: how that fails is nobody's concern.
  work.catch(() => {})
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not over within ${minutes} minutes`)), minutes * 60_000)
  })
  try {
    return await /** @type {Promise<T>} */ (Promise.race([work, late]))
  } finally {
    clearTimeout(timer)
  }
}

/**
 * Runs one benchmark: in a page, or by its own driver `bench/<name>.mjs` where it needs more than a page can see.
 * @param {Bench} bench @param {import('@playwright/test').Browser} browser @param {Awaited<ReturnType<typeof openSite>>} site
 * @param {boolean} quick @param {string} dist @param {(report: any) => void} keep takes what there is so far
 * @returns {Promise<Outcome>}
 */
async function measure({ name }, browser, site, quick, dist, keep) {
  const context = { quick, ...site.where }
  const driver = join(root, 'bench', `${name}.mjs`)
  if (existsSync(driver)) {
    const { run: drive } = await import(pathToFileURL(driver).href)
    const open = () => openPage(browser, site.url, keep)
    return drive({ root, dist, context, browser, url: site.url, openPage: open, runInPage, keep })
  }
  return runInPage(await openPage(browser, site.url, keep), name, context)
}

/** Adds the ratios, and whether the goal is met. @param {any} figure */
function finish(figure) {
  const baselines = (figure.baselines ?? []).map((/** @type {any} */ baseline) => ({
    ...baseline,
    ratio: figure.value / baseline.value,
  }))
  const { goal, ...rest } = figure
  const finished = { ...rest, ...(baselines.length > 0 ? { baselines } : {}) }
  if (goal === undefined) return finished
  const value = goal.on === 'ratio' ? baselines[0].ratio : figure[goal.on]
  return { ...finished, goal: { ...goal, met: value <= (goal.most ?? value) && value >= (goal.least ?? value) } }
}

/** Processes that wanted a core before this command began: when not well below the number of cores, its times are worth nothing. */
const loadBefore = Number(loadavg()[0]?.toFixed(2))

/** @param {import('@playwright/test').Browser} browser */
function describeMachine(browser) {
  return {
    cores: cpus().length,
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    platform: `${process.platform} ${process.arch}`,
    browser: `Chromium ${browser.version()}`,
    node: process.version,
    loadBefore,
  }
}

/** @param {string} folder @param {Bench} bench @param {Outcome} outcome @param {ReturnType<typeof describeMachine>} machine @param {boolean} quick */
function store(folder, { name }, { what, report }, machine, quick) {
  const result = {
    name,
    what,
    command: `npm run bench -- ${name}${quick ? ' --quick' : ''}`,
    date: new Date().toISOString().slice(0, 10),
    machine,
    ...report,
    figures: report.figures.map(finish),
  }
  if (loadBefore > machine.cores)
    result.notes = [...report.notes, `Under load (${loadBefore} processes wanted a core): the times say nothing.`]
  // Where nothing could be measured, what an earlier run has stored stays.
  if (result.figures.length === 0) return result
  mkdirSync(folder, { recursive: true })
  const shorten = (/** @type {string} */ _key, /** @type {unknown} */ value) =>
    typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(5)) : value
  writeFileSync(join(folder, `${name}.json`), `${JSON.stringify(result, shorten, 2)}\n`)
  return result
}

/**
 * One benchmark in a browser of its own, so that none finds what another left.
 * @param {Bench} bench @param {Options & { folder: string, executablePath: string }} options
 */
async function runOne(bench, { quick, dist, folder, executablePath }) {
  const { chromium } = await import('@playwright/test')
  const args = [...FLAGS, ...(bench.gpu ? SOFTWARE_GPU : []), ...(process.getuid?.() === 0 ? ['--no-sandbox'] : [])]
  const site = await openSite(dist, bench.isolated ?? false)
  const browser = await chromium.launch({ executablePath, args })
  try {
    const machine = describeMachine(browser)
    let soFar
    const keep = (/** @type {any} */ report) => {
      const unfinished = 'the rest: the run was not over when this was written'
      soFar = { what: report.what, report: { ...report, skipped: [...(report.skipped ?? []), unfinished] } }
      store(folder, bench, soFar, machine, quick)
    }
    const outcome = await within(measure(bench, browser, site, quick, dist, keep), bench.limitMinutes)
    return store(folder, bench, outcome, machine, quick)
  } finally {
    await browser.close()
    await site.close()
  }
}

/** @param {readonly Bench[]} benches @param {Options & { folder: string }} options */
async function runAll(benches, { quick, dist, folder }) {
  const executablePath = await ensureBrowser()
  if (executablePath === undefined)
    throw new Error('benchmarks need a Chromium: the lines above say why there is none.')
  const results = []
  const failed = []
  for (const bench of benches) {
    const started = Date.now()
    try {
      const result = await runOne(bench, { quick, dist, folder, executablePath })
      results.push(result)
      for (const reason of result.skipped ?? []) console.log(`  ${bench.name}: not measured: ${reason}`)
      console.log(`✓ ${bench.name} (${Math.round((Date.now() - started) / 1000)} s)`)
    } catch (error) {
      failed.push(bench.name)
      console.error(`✗ ${bench.name}: ${/** @type {Error} */ (error).message ?? error}`)
    }
  }
  return { results, failed }
}

async function main() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      quick: { type: 'boolean', default: false },
      'no-build': { type: 'boolean', default: false },
      dist: { type: 'string' },
      out: { type: 'string' },
      list: { type: 'boolean', default: false },
    },
  })
  const benches = choose(positionals)
  if (values.list) return console.log(benches.map(({ name }) => name).join('\n'))
  // Packages that are there are used as they are: a benchmark that installed others would change what it measures.
  if (!existsSync(join(root, 'node_modules', 'vite'))) await ensurePackages()
  const buildsItself = !values['no-build'] && values.dist === undefined
  if (buildsItself && benches.some(({ needsBuild }) => needsBuild)) await ensureBuild()
  await bundleBenches()
  console.log(`Models from ALCOVE_MODELS_DIR: ${process.env.ALCOVE_MODELS_DIR ? 'yes' : 'no, models/ only'}.`)
  console.log(`Judged sets from ALCOVE_DATA_DIR: ${process.env.ALCOVE_DATA_DIR ? 'yes' : 'no'}.`)
  const { results, failed } = await runAll(benches, {
    quick: values.quick,
    dist: resolve(values.dist ?? join(root, 'dist')),
    folder: resolve(values.out ?? join(root, ...(values.quick ? ['.alcove', 'bench-quick'] : ['bench', 'results']))),
  })
  console.log(`\n${createTable(results)}\n`)
  if (values.quick) console.log('Quick sizes: these figures show that the benchmarks work, and nothing else.')
  if (failed.length > 0) throw new Error(`failed: ${failed.join(', ')}`)
}

main().catch((error) => {
  console.error(error.message ?? error)
  process.exitCode = 1
})

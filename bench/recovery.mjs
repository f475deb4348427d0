// Drives recovery.bench.ts: each part in a browser of its own, with a software GPU, which it can crash; and reads the browser's memory.
import { readFileSync } from 'node:fs'
import { chromium } from '@playwright/test'
import { ensureBrowser } from '../scripts/setup.mjs'

const FLAGS = [
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--disable-dev-shm-usage',
  '--js-flags=--expose-gc',
  '--enable-unsafe-webgpu',
  '--use-webgpu-adapter=swiftshader',
]
const PAGE_BYTES = 4096
const PART_LIMIT_MS = 240_000

/** Resident memory that is not shared with files, of processes by their ids. Linux only. @param {number[]} ids */
function privateBytes(ids) {
  const pages = ids.map((id) => {
    try {
      const [, resident = 0, shared = 0] = readFileSync(`/proc/${id}/statm`, 'utf8').split(' ').map(Number)
      return resident - shared
    } catch {
      return 0
    }
  })
  return PAGE_BYTES * pages.reduce((sum, count) => sum + count, 0)
}

/** Lets the model workers of a page run a function, which need never return. @param {import('@playwright/test').Page} page @param {() => void} work */
function inWorkers(page, work) {
  for (const worker of page.workers()) if (worker.url().includes('llm.worker')) worker.evaluate(work).catch(() => {})
}

/** @param {import('@playwright/test').Browser} browser @param {string} url */
async function openPage(browser, url) {
  const page = await browser.newPage()
  const session = await browser.newBrowserCDPSession()
  await page.exposeFunction('crashGpu', () => session.send('Browser.crashGpuProcess').catch(() => {}))
  await page.exposeFunction('endWorkers', () => inWorkers(page, () => globalThis.close()))
  await page.exposeFunction('freezeWorkers', () =>
    // In a task of its own: a browser waits for the end of what a debugger runs in a worker, also when that is terminated.
    inWorkers(page, () => {
      setTimeout(() => {
        for (;;);
      })
    }),
  )
  if (process.platform === 'linux') {
    await page.exposeFunction('readMemory', async () => {
      const { processInfo } = await session.send('SystemInfo.getProcessInfo')
      return privateBytes(processInfo.map(({ id }) => id))
    })
  }
  await page.goto(url)
  return page
}

/** @template T @param {string} name @param {Promise<T>} work @returns {Promise<T>} */
async function within(name, work) {
  /** @type {NodeJS.Timeout | undefined} */
  let timer
  work.catch(() => {})
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${name} was not over within ${PART_LIMIT_MS / 1_000} s`)), PART_LIMIT_MS)
  })
  try {
    return await /** @type {Promise<T>} */ (Promise.race([work, late]))
  } finally {
    clearTimeout(timer)
  }
}

/** Parts that only wait, and those that only read bytes, run side by side; each other one alone. @param {readonly string[]} names @returns {string[][]} */
function groupsOf(names) {
  const together = ['frozen-', 'unloaded-'].map((start) => names.filter((name) => name.startsWith(start)))
  const alone = names.filter((name) => !together.flat().includes(name))
  return [...alone.map((name) => [name]), ...together]
}

/** @param {any} driver */
export async function run({ url, runInPage, context, keep }) {
  const args = [...FLAGS, ...(process.getuid?.() === 0 ? ['--no-sandbox'] : [])]
  const executablePath = await ensureBrowser()

  /** @template T @param {(page: import('@playwright/test').Page) => Promise<T>} use @returns {Promise<T>} */
  async function inBrowser(use) {
    const browser = await chromium.launch({ executablePath, args })
    try {
      return await use(await openPage(browser, url))
    } finally {
      await browser.close()
    }
  }

  const about = await inBrowser((page) =>
    page.evaluate(async (given) => {
      const { what, notes, partNames } = await import('/bench/recovery.js')
      return { what, notes, names: partNames(given) }
    }, context),
  )
  /** @type {{ figures: any[], notes: string[], skipped: string[] }} */
  const report = { figures: [], notes: about.notes, skipped: [] }

  /** A part that fails is listed as not measured, and the others are measured. @param {string} name */
  async function measurePart(name) {
    const began = Date.now()
    try {
      const part = await inBrowser((page) => within(name, runInPage(page, 'recovery', { ...context, part: name })))
      report.figures.push(...part.report.figures)
      for (const reason of part.report.skipped ?? []) if (!report.skipped.includes(reason)) report.skipped.push(reason)
      keep({ what: about.what, ...report })
    } catch (error) {
      const [line] = String(/** @type {Error} */ (error).message ?? error).split('\n')
      report.skipped.push(`${name}: ${line}`)
    }
    console.log(`  ${name}: ${Math.round((Date.now() - began) / 1_000)} s`)
  }

  for (const group of groupsOf(about.names)) await Promise.all(group.map(measurePart))
  if (report.figures.length === 0) throw new Error(`nothing could be measured: ${report.skipped.join('; ')}`)
  return { what: about.what, report }
}

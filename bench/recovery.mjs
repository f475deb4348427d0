// Drives recovery.bench.ts in a browser with a software GPU, and lets it crash that and read the browser's memory.
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
  '--enable-unsafe-webgpu',
  '--use-webgpu-adapter=swiftshader',
]
const PAGE_BYTES = 4096

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

/** @param {any} driver */
export async function run({ openPage, runInPage, context }) {
  // The runner's own page tells where the site is.
  const own = await openPage()
  const url = own.url()
  await own.close()
  const args = [...FLAGS, ...(process.getuid?.() === 0 ? ['--no-sandbox'] : [])]
  const browser = await chromium.launch({ executablePath: await ensureBrowser(), args })
  try {
    const page = await browser.newPage()
    const session = await browser.newBrowserCDPSession()
    await page.exposeFunction('crashGpu', () => session.send('Browser.crashGpuProcess').catch(() => {}))
    if (process.platform === 'linux') {
      await page.exposeFunction('readMemory', async () => {
        const { processInfo } = await session.send('SystemInfo.getProcessInfo')
        return privateBytes(processInfo.map(({ id }) => id))
      })
    }
    await page.goto(url)
    return await runInPage(page, 'recovery', context)
  } finally {
    await browser.close()
  }
}

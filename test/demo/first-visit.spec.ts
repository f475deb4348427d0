import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { expect, test } from '@playwright/test'
import { demoUrl, openDemo, watchFaults } from './demo-page.js'

const examples = [
  { question: 'How long can a visitor borrow a study laptop?', says: 'four hours', from: /handbook.*page 2/i },
  { question: 'When and where do the volunteers meet?', says: 'at the boathouse at 16:15', from: /Lantern walk/ },
  { question: '茶室最多可以容纳多少人？', says: '十二人', from: /竹里茶室/ },
]

test('the first ten seconds: what it is, the focus in the question, and an example answered with its source', async ({
  page,
}) => {
  const faults = watchFaults(page)
  const elsewhere: string[] = []
  page.on('request', (request) => {
    if (!request.url().startsWith(demoUrl()) && !/^(blob|data):/.test(request.url())) elsewhere.push(request.url())
  })
  const demo = await openDemo(page)
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Alcove')
  await expect(page.getByRole('heading', { name: 'Ask your documents, in private.' })).toBeVisible()
  await expect(page.getByText('leaves this device')).toBeVisible()
  await expect(demo.question).toBeFocused()
  await expect(demo.readiness).toContainText(/Quoting from your documents/)
  const [first] = examples
  await page.getByRole('button', { name: first?.question ?? '' }).click()
  await expect(demo.answers).toContainText(first?.says ?? '')
  await expect(demo.answers.getByRole('button', { name: first?.from ?? '' }).first()).toBeVisible()
  expect(elsewhere).toEqual([])
  expect(faults).toEqual([])
})

for (const { question, says, from } of examples) {
  test(`the example "${question}" is answered from its document`, async ({ page }) => {
    const demo = await openDemo(page)
    await page.getByRole('button', { name: question }).click()
    await expect(demo.answers).toContainText(says)
    await demo.answers.getByRole('button', { name: from }).first().click()
    await expect(demo.passage).toContainText(says)
    await expect(demo.passage).toBeInViewport()
  })
}

test('an example that is clicked while the documents are still read waits for them', async ({ page }) => {
  await page.goto(demoUrl())
  await page.getByRole('button', { name: examples[0]?.question ?? '' }).click()
  await expect(page.getByRole('region', { name: /^Answer to/ })).toContainText('four hours')
})

test('the line under the question follows what gets ready, with numbers', async ({ page }) => {
  const lines = new Set<string>()
  await page.exposeFunction('takeLine', (line: string) => lines.add(line))
  await page.addInitScript(() => {
    new MutationObserver(() => {
      const line = document.querySelector('#readiness')?.textContent
      if (line) (window as unknown as { takeLine(line: string): void }).takeLine(line)
    }).observe(document, { subtree: true, childList: true, characterData: true })
  })
  const demo = await openDemo(page)
  await expect(demo.readiness).toContainText(/found by/, { timeout: 60_000 })
  const said = [...lines].join('\n')
  expect(said).toMatch(/Reading \d documents?/)
  if (process.env.ALCOVE_MODELS_DIR) {
    await expect(demo.readiness).toContainText('found by words and meaning', { timeout: 60_000 })
    expect(said).toMatch(/MiniLM is loading, \d+(\.\d)? of \d+ MB/)
  }
})

test("the demo's own script is well under 60 KB", () => {
  const assets = join(dirname(dirname(dirname(fileURLToPath(import.meta.url)))), 'demo', 'dist', 'assets')
  const own = readdirSync(assets).filter((name) => /^(index|marked|purify)[.-].*\.js$/.test(name))
  const bytes = own.map((name) => gzipSync(readFileSync(join(assets, name))).length)
  expect(own.length).toBe(3)
  expect(bytes.reduce((sum, size) => sum + size, 0)).toBeLessThan(55_000)
})

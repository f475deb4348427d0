import { expect, test } from '@playwright/test'
import { models } from '../browser/setup.js'
import { startSlowServer } from '../browser/slow-server.js'
import { ask, demoUrl, modelsFolder, openDemo } from './demo-page.js'

test('the picker says what each model costs, where it runs, and why the refused ones are refused', async ({ page }) => {
  const demo = await openDemo(page)
  await demo.models.click()
  const dialog = page.getByRole('dialog', { name: 'What answers' })
  const quotes = dialog.getByRole('listitem').filter({ hasText: 'Quotes only' })
  await expect(quotes).toContainText('In use')
  await expect(quotes).toContainText('no download')
  const refused = dialog.getByRole('region', { name: 'Not on this device' }).getByRole('listitem')
  await expect(refused.filter({ hasText: 'Llama 3.2 3B' })).toContainText(/needs WebGPU/)
  await expect(refused.filter({ hasText: 'Llama 3.2 3B' })).toContainText(/memory/)
})

test('SmolLM2: loads with its bytes, can be cancelled, writes a draft that is labelled, can be stopped and deleted', async ({
  page,
}) => {
  test.skip(!models.onnxChat, 'needs SmolLM2 as ONNX in the models folder')
  test.setTimeout(400_000)
  const demo = await openDemo(page)
  await demo.models.click()
  const dialog = page.getByRole('dialog', { name: 'What answers' })
  const row = dialog
    .getByRole('listitem')
    .filter({ has: page.getByRole('heading', { name: 'SmolLM2 135M', exact: true }) })
  await expect(row).toContainText(/10\d MB to download/)
  await expect(row).toContainText('processor (WebAssembly)')
  await expect(row).toContainText('Apache-2.0')
  await row.getByRole('button', { name: /^Download 10\d MB and use: SmolLM2 135M/ }).click()
  await row.getByRole('button', { name: 'Cancel: SmolLM2 135M' }).click()
  await expect(row.getByRole('button', { name: /and use: SmolLM2 135M|^Use: SmolLM2/ })).toBeVisible()
  await row.getByRole('button', { name: /[uU]se: SmolLM2 135M/ }).click()
  await expect(row.locator('.model__numbers')).toContainText(/\d+ of 10\d MB|starting it/)
  await expect(row).toContainText('In use', { timeout: 180_000 })
  await page.keyboard.press('Escape')
  await expect(demo.models).toHaveText(/SmolLM2 135M/)
  const answer = await ask(page, 'How long can a visitor borrow a study laptop?')
  await expect(answer.getByRole('blockquote')).toContainText('four hours')
  await expect(answer).toContainText('SmolLM2 135M’s draft')
  await expect(answer).toContainText('Check it against the quote above')
  await demo.question.fill('How many people does each quiet room seat?')
  await demo.question.press('Enter')
  await expect(demo.answers.last().getByRole('blockquote')).toContainText('four people')
  await page.keyboard.press('Escape')
  await expect(demo.answers.last()).toContainText('Stopped here')
  await page.reload()
  await expect(demo.models).toHaveText(/SmolLM2 135M/, { timeout: 120_000 })
  await demo.models.click()
  await row.getByRole('button', { name: 'Delete: SmolLM2 135M' }).click()
  await expect(row).toContainText(/10\d MB to download/, { timeout: 60_000 })
  await expect(dialog.getByRole('listitem').filter({ hasText: 'Quotes only' })).toContainText('In use')
})

test('a download that loses its connection says so in place, and goes on when asked', async ({ page, context }) => {
  test.skip(!models.onnxChat, 'needs SmolLM2 as ONNX in the models folder')
  test.setTimeout(300_000)
  // A line that is slow enough to be lost in the middle.
  // @ts-expect-error a script of plain JavaScript without declarations
  const { serve } = await import('../../scripts/serve.mjs')
  const slow = await serve({ mounts: [['/models/', modelsFolder ?? '']], bytesPerSecond: 20_000_000 })
  await context.route('**/models/SmolLM2-135M-Instruct/onnx/**', (route) =>
    route.continue({ url: new URL(new URL(route.request().url()).pathname, slow.url).href }),
  )
  const demo = await openDemo(page)
  await expect(demo.readiness).toContainText('found by words and meaning', { timeout: 60_000 })
  await demo.models.click()
  const row = page
    .getByRole('dialog', { name: 'What answers' })
    .getByRole('listitem')
    .filter({ has: page.getByRole('heading', { name: 'SmolLM2 135M', exact: true }) })
  await row.getByRole('button', { name: /^Download/ }).click()
  await expect(row.locator('.model__numbers')).toContainText(/[1-9]\d? of 10\d MB/)
  await context.setOffline(true)
  await expect(row.getByRole('alert')).toContainText('The connection was lost')
  await context.setOffline(false)
  await row.getByRole('button', { name: 'Try again: SmolLM2 135M' }).click()
  await expect(row).toContainText('In use', { timeout: 180_000 })
  await slow.close()
})

test('a download says when the connection is away; cancelled, it says how much of it is here, and that can be deleted', async ({
  page,
  context,
}) => {
  test.skip(!models.onnxChat, 'needs SmolLM2 as ONNX in the models folder')
  test.setTimeout(120_000)
  const slow = await startSlowServer(demoUrl())
  slow.bytesPerSecond = 12_000_000
  await context.route('**/models/SmolLM2-135M-Instruct/onnx/**', (route) =>
    route.continue({ url: new URL(new URL(route.request().url()).pathname, slow.url).href }),
  )
  const demo = await openDemo(page)
  await demo.models.click()
  const row = page
    .getByRole('dialog', { name: 'What answers' })
    .getByRole('listitem')
    .filter({ has: page.getByRole('heading', { name: 'SmolLM2 135M', exact: true }) })
  await row.getByRole('button', { name: /^Download/ }).click()
  await expect(row.locator('.model__numbers')).toContainText(/[2-9]\d of 10\d MB/)
  slow.isDown = true
  await expect(row.locator('.model__numbers')).toContainText(/of 10\d MB · The connection broke off/)
  await expect(demo.readiness).toContainText(/SmolLM2 135M waits for the connection, \d+ of 10\d MB/)
  slow.isDown = false
  await expect(row.locator('.model__numbers')).toContainText(/MB\/s/)
  await expect(page.getByRole('button', { name: 'Close' }), 'the way out stays in sight').toBeInViewport()
  await row.getByRole('button', { name: 'Cancel: SmolLM2 135M' }).click()
  await expect(row).toContainText(/\d\d of 10\d MB are here/)
  await row.getByRole('button', { name: 'Delete: SmolLM2 135M' }).click()
  await expect(row).toContainText(/10\d MB to download/)
  await expect(row.getByRole('button', { name: /^Delete/ })).toBeHidden()
  await context.unrouteAll()
  await context.route('**/models/SmolLM2-135M-Instruct/**', (route) => route.abort())
  await page.keyboard.press('Escape')
  await demo.models.click()
  await expect(row).toContainText('Its files cannot be reached now')
  await expect(row.getByRole('button', { name: 'Try again: SmolLM2 135M' })).toBeVisible()
  await slow.close()
})

test('without the embedding model it says so, answers by words, and offers to try again', async ({ page, context }) => {
  await context.route('**/models/**', (route) => route.abort())
  await context.route('https://huggingface.co/**', (route) => route.abort())
  const demo = await openDemo(page)
  await expect(demo.readiness).toContainText('found by their words · MiniLM could not be loaded', { timeout: 60_000 })
  await expect(demo.readiness.getByRole('button', { name: 'Try again' })).toBeVisible()
  await expect(await ask(page, 'How long can a visitor borrow a study laptop?')).toContainText('four hours')
  await context.unrouteAll()
  if (modelsFolder === undefined) return
  await demo.readiness.getByRole('button', { name: 'Try again' }).click()
  await expect(demo.readiness).toContainText('found by words and meaning', { timeout: 60_000 })
})

test('a person who asked the browser to save data is asked before the embedding model is fetched', async ({ page }) => {
  await page.addInitScript(() => Object.defineProperty(navigator, 'connection', { value: { saveData: true } }))
  const demo = await openDemo(page)
  await expect(demo.readiness).toContainText('found by their words')
  const load = demo.readiness.getByRole('button', { name: /Find by meaning too/ })
  await expect(load).toBeVisible()
  if (modelsFolder === undefined) return
  await load.click()
  await expect(demo.readiness).toContainText('found by words and meaning', { timeout: 60_000 })
})

test('a worker that dies is no end: the next question is answered', async ({ page }) => {
  const demo = await openDemo(page)
  await ask(page, 'Where is story time?')
  const worker = page.workers().find((one) => one.url().includes('retrieval.worker'))
  expect(worker).toBeDefined()
  await worker?.evaluate(() => self.close())
  await demo.question.fill('How long can a visitor borrow a study laptop?')
  await demo.question.press('Enter')
  const answer = demo.answers.last()
  await expect(answer.getByRole('button', { name: 'Ask again' }).first()).toBeVisible({ timeout: 60_000 })
  if (await answer.getByRole('alert').isVisible()) {
    await expect(answer.getByRole('alert')).toContainText('Your documents and this conversation are safe')
    await answer.getByRole('alert').getByRole('button', { name: 'Ask again' }).click()
  }
  await expect(demo.answers.last()).toContainText('four hours')
})

import { expect, test } from '@playwright/test'
import { ask, chooseFiles, demoUrl, madeFile, modelsFolder, openDemo, parts } from './demo-page.js'

test('after the first visit it works without a network, with a new document too', async ({ page, context }) => {
  const demo = await openDemo(page)
  await expect(demo.readiness).toContainText(/found by/, { timeout: 60_000 })
  await expect.poll(() => page.evaluate(() => navigator.serviceWorker.controller !== null)).toBe(true)
  await context.setOffline(true)
  await page.reload()
  await expect(demo.row('Harbour Library')).toContainText('3 pages')
  await expect(await ask(page, 'How long can a visitor borrow a study laptop?')).toContainText('four hours')
  await chooseFiles(page, madeFile('offline.md', '# Offline\n\nThe tide table hangs behind the red door.'))
  await expect(demo.row('Offline')).toContainText('1 passage')
  await expect(await ask(page, 'Where does the tide table hang?')).toContainText('behind the red door')
  if (modelsFolder) await expect(demo.readiness).toContainText('found by words and meaning', { timeout: 60_000 })
})

test('model files are left to the library: the page keeps no second copy', async ({ page }) => {
  test.skip(modelsFolder === undefined, 'needs the small embedding model in the models folder')
  const demo = await openDemo(page)
  await expect(demo.readiness).toContainText('found by words and meaning', { timeout: 60_000 })
  const kept = await page.evaluate(async () => {
    const found: string[] = []
    for (const name of await caches.keys()) {
      if (!name.startsWith('alcove-page-')) continue
      for (const request of await (await caches.open(name)).keys()) found.push(request.url)
    }
    return found
  })
  expect(kept.length).toBeGreaterThan(10)
  expect(kept.filter((url) => new URL(url).pathname.startsWith('/models/'))).toEqual([])
})

test('without storage it says so and still answers', async ({ page }) => {
  await page.addInitScript(() => {
    const refuse = {
      get: () => {
        throw new DOMException('refused', 'SecurityError')
      },
    }
    Object.defineProperty(window, 'localStorage', refuse)
  })
  await page.goto(demoUrl())
  await expect(page.getByText('This browser refuses to keep anything')).toBeVisible()
  await expect(parts(page).row('Harbour Library')).toContainText('3 pages')
  await expect(await ask(page, 'How long can a visitor borrow a study laptop?')).toContainText('four hours')
})

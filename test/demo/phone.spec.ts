import { expect, test } from '@playwright/test'
import { ask, openDemo, PHONE } from './demo-page.js'

test.use({ viewport: PHONE, hasTouch: true, isMobile: true })

test('on a phone the sides are sheets: over the page, alone reachable, and closed by a tap beside them', async ({
  page,
}) => {
  const demo = await openDemo(page)
  await expect(page.getByRole('button', { name: /^Read Harbour/ })).toBeHidden()
  await page.getByRole('button', { name: 'Documents: 3 documents' }).tap()
  const sheet = page.getByRole('dialog', { name: 'Documents' })
  await expect(sheet).toBeVisible()
  await expect(page.getByRole('main')).toHaveAttribute('inert', '')
  await page.mouse.click(180, 30)
  await expect(sheet).toBeHidden()
  await expect(page.getByRole('main')).not.toHaveAttribute('inert', '')
  const answer = await ask(page, 'How long can a visitor borrow a study laptop?')
  await answer
    .getByRole('button', { name: /^Source 1/ })
    .first()
    .tap()
  await expect(page.getByRole('dialog', { name: 'Harbour Library: staff handbook' })).toBeVisible()
  await expect(demo.passage).toBeInViewport()
  await page.getByRole('button', { name: 'Back to the answer' }).tap()
  await expect(demo.source).toBeHidden()
  await page.getByRole('button', { name: 'Documents: 3 documents' }).tap()
  await page.getByRole('button', { name: /^Read Lantern walk/ }).tap()
  await expect(demo.source).toContainText('Volunteers meet at the boathouse')
  await page.getByRole('button', { name: 'Back to the answer' }).tap()
  await expect(demo.question).toBeFocused()
})

test('a panel that is open as a sheet stands beside when the page becomes wide', async ({ page }) => {
  const demo = await openDemo(page)
  const answer = await ask(page, 'How long can a visitor borrow a study laptop?')
  await answer
    .getByRole('button', { name: /^Source 1/ })
    .first()
    .tap()
  await page.setViewportSize({ width: 1280, height: 800 })
  await expect(demo.source).toBeVisible()
  await expect(demo.passage).toBeInViewport()
  await expect(page.getByRole('main')).not.toHaveAttribute('inert', '')
  await expect(demo.documents).toBeVisible()
})

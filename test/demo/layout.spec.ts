import { AxeBuilder } from '@axe-core/playwright'
import { expect, type Page, test } from '@playwright/test'
import { ask, DESKTOP, openDemo, PHONE, parts } from './demo-page.js'

/** Serious findings of the audit, in words. */
async function audit(page: Page): Promise<string[]> {
  const { violations } = await new AxeBuilder({ page })
    .withTags(['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'])
    .analyze()
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.target.join(' ')} ${node.failureSummary ?? ''}`))
}

/** Nothing sticks out to the side. */
const overflow = (page: Page): Promise<number> =>
  page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)

for (const colorScheme of ['light', 'dark'] as const) {
  for (const [name, viewport] of [
    ['phone', PHONE],
    ['desktop', DESKTOP],
  ] as const) {
    test(`${name}, ${colorScheme}: the main job, without serious findings of an accessibility audit`, async ({
      page,
    }, info) => {
      await page.emulateMedia({ colorScheme })
      await page.setViewportSize(viewport)
      const shoot = async (what: string): Promise<void> => {
        await page.screenshot({ path: info.outputPath(`${name}-${colorScheme}-${what}.png`) })
        expect(await overflow(page), what).toBe(0)
        expect(await audit(page), what).toEqual([])
      }
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' })
      await openDemo(page)
      const demo = parts(page)
      await shoot('1-first')
      const answer = await ask(page, 'How long can a visitor borrow a study laptop?')
      await shoot('2-answer')
      await answer
        .getByRole('button', { name: /^Source 1/ })
        .first()
        .click()
      await expect(demo.passage).toBeInViewport()
      await shoot('3-source')
      await page.keyboard.press('Escape')
      if (name === 'phone') {
        await page.getByRole('button', { name: 'Documents: 3 documents' }).click()
        await expect(page.getByRole('dialog', { name: 'Documents' })).toBeVisible()
        await shoot('4-documents')
        await page.getByRole('button', { name: 'Close documents' }).click()
        await expect(page.getByRole('button', { name: 'Documents: 3 documents' })).toBeFocused()
      }
      await demo.models.click()
      await expect(page.getByRole('heading', { name: 'Quotes only' })).toBeVisible()
      await expect(page.getByRole('heading', { name: 'Not on this device' })).toBeVisible()
      await shoot('5-models')
      await page.keyboard.press('Escape')
      await page.getByRole('button', { name: 'More' }).click()
      await page.getByRole('button', { name: 'Keyboard and help' }).click()
      await shoot('6-help')
    })
  }
}

test('the whole main job by keyboard alone', async ({ page }) => {
  const demo = await openDemo(page)
  await expect(demo.question).toBeFocused()
  await page.keyboard.type('How long can a visitor borrow a study laptop?')
  await page.keyboard.press('Enter')
  await expect(demo.answers).toContainText('four hours')
  await expect(demo.question).toBeFocused()
  const number = demo.answers.locator('.cite').first()
  for (let presses = 0; presses < 12 && !(await number.evaluate((one) => one === document.activeElement)); presses++) {
    await page.keyboard.press('Shift+Tab')
  }
  await expect(number).toBeFocused()
  await page.keyboard.press('Enter')
  await expect(demo.passage).toBeInViewport()
  await expect(demo.source).toBeFocused()
  await page.keyboard.press('Escape')
  await expect(demo.source).toBeHidden()
  await expect(number).toBeFocused()
  await page.keyboard.press('?')
  await expect(page.getByRole('dialog', { name: 'By keyboard' })).toBeVisible()
  await page.keyboard.press('Escape')
  await expect(page.getByRole('dialog')).toHaveCount(0)
  await page.keyboard.press('/')
  await expect(demo.question).toBeFocused()
  await page.keyboard.press('ArrowUp')
  await expect(demo.question).toHaveValue('How long can a visitor borrow a study laptop?')
  await page.keyboard.press('Control+A')
  await page.keyboard.type('What is the late fee of a tool box?')
  await page.keyboard.press('Shift+Enter')
  await page.keyboard.press('Backspace')
  await page.keyboard.press('Enter')
  await expect(demo.answers).toHaveCount(1)
  await expect(demo.answers.getByRole('button', { name: 'Ask again' })).toBeVisible()
})

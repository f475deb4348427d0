import { AxeBuilder } from '@axe-core/playwright'
import { expect, type Locator, type Page, test } from '@playwright/test'
import { models } from '../browser/setup.js'
import { openDemo, PHONE, watchFaults } from './demo-page.js'

async function openExamples(page: Page): Promise<Locator> {
  await page.getByRole('button', { name: 'More', exact: true }).click()
  await page.getByRole('button', { name: 'Examples', exact: true }).click()
  const dialog = page.getByRole('dialog', { name: 'Examples' })
  await expect(dialog).toBeVisible()
  return dialog
}

/** Unfolds an example and runs it; gives its part of the dialog. */
async function start(dialog: Locator, title: string): Promise<Locator> {
  const example = dialog.getByRole('group').filter({ hasText: new RegExp(`^\\s*\\d\\d\\s*${title}`) })
  await example.locator('summary').click()
  await example.getByRole('button', { name: 'Run', exact: true }).click()
  return example
}

const parts = (example: Locator): Locator => example.getByRole('list', { name: 'What came of it' })
const ended = (example: Locator) =>
  expect(example.getByRole('button', { name: 'Run', exact: true })).toBeEnabled({ timeout: 60_000 })

test('examples show their source, run, and tell what comes of them part by part', async ({ page }) => {
  const faults = watchFaults(page)
  await openDemo(page)
  const dialog = await openExamples(page)
  await expect(dialog.getByRole('group')).toHaveCount(13)
  const weather = await start(dialog, 'A tool')
  await expect(weather.getByRole('region', { name: 'Source of: A tool' })).toContainText(
    "import { type Alcove, tool } from 'alcove'",
  )
  await expect(weather).toContainText('On the scripted model: what it says was written down before.')
  await expect(parts(weather)).toContainText('It is 24 degrees and sun in Lisbon.')
  await expect(parts(weather).getByRole('listitem').filter({ hasText: 'tool-call' })).toContainText('{"city":"Lisbon"}')
  await ended(weather)
  const documents = await start(dialog, 'Documents and citations')
  await expect(documents).toContainText('On Quotes only, here on this device.')
  await expect(parts(documents)).toContainText('opens at nine in the morning')
  await expect(parts(documents)).toContainText('"verified":true')
  await ended(documents)
  const code = await start(dialog, 'Code in a sandbox')
  await expect(parts(code)).toContainText('The sum is 24133.')
  await ended(code)
  const chat = await start(dialog, 'A group chat')
  await expect(parts(chat)).toContainText('crew › Sceptic: text-delta')
  await expect(parts(chat)).toContainText('Home by two.')
  await ended(chat)
  await page.keyboard.press('Escape')
  await expect(dialog).toBeHidden()
  await expect(
    page.locator('#documents').getByText(/\d+ passages?/),
    'the documents of the page are as they were',
  ).toHaveCount(3)
  expect(faults).toEqual([])
})

test('Stop ends an example at once, also while its model says nothing', async ({ page }) => {
  await page.addInitScript(() => {
    // The scripted model waits so long before each part; from `isSilent` on it waits for ever.
    const setTimer = window.setTimeout
    const held = (run: () => void, delayMs?: number) =>
      delayMs === 25 && (window as { isSilent?: boolean }).isSilent ? 0 : setTimer(run, delayMs)
    window.setTimeout = held as typeof window.setTimeout
  })
  await openDemo(page)
  const dialog = await openExamples(page)
  await page.evaluate(() => {
    ;(window as { isSilent?: boolean }).isSilent = true
  })
  const weather = await start(dialog, 'A tool')
  await expect(parts(weather)).toContainText('step-start')
  await weather.getByRole('button', { name: 'Stop', exact: true }).click()
  await expect(weather.getByRole('button', { name: 'Run', exact: true })).toBeEnabled({ timeout: 5_000 })
  await page.evaluate(() => {
    ;(window as { isSilent?: boolean }).isSilent = false
  })
  await weather.getByRole('button', { name: 'Run', exact: true }).click()
  await expect(parts(weather)).toContainText('It is 24 degrees and sun in Lisbon.')
})

test('a person is asked, may refuse, and may stop an example', async ({ page }) => {
  await openDemo(page)
  const dialog = await openExamples(page)
  const approval = await start(dialog, 'A person agrees first')
  const question = page.getByRole('dialog', { name: 'May send_mail be called?' })
  await expect(question).toContainText('The boat is ready.')
  await question.getByRole('button', { name: 'Refuse' }).click()
  await expect(parts(approval)).toContainText('I have not sent anything.')
  await ended(approval)
  const log = await start(dialog, 'A question over 120 pages')
  await expect(parts(log)).toBeVisible()
  await log.getByRole('button', { name: 'Stop', exact: true }).click()
  await ended(log)
  await expect(parts(log)).not.toContainText('off Runde [1]')
})

test('a session is known after a reload of the page', async ({ page }) => {
  await openDemo(page)
  const session = await start(await openExamples(page), 'A session across a reload')
  await expect(parts(session)).toContainText('A good name!')
  await page.reload()
  const again = await start(await openExamples(page), 'A session across a reload')
  await expect(parts(again)).toContainText('My boat is called Marigold.')
  await expect(parts(again)).toContainText('I still know her name.')
  await ended(again)
  await again.getByRole('button', { name: 'Run', exact: true }).click()
  await expect(parts(again)).toContainText('Marigold, you told me.')
})

for (const colorScheme of ['light', 'dark'] as const) {
  test(`examples on a phone, ${colorScheme}: nothing sticks out, and an audit finds nothing serious`, async ({
    page,
  }, info) => {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' })
    await page.setViewportSize(PHONE)
    await openDemo(page)
    const dialog = await openExamples(page)
    const inner = await start(dialog, 'An agent as a tool of another')
    await expect(parts(inner)).toContainText('209.95 euros')
    await page.screenshot({ path: info.outputPath(`examples-${colorScheme}.png`) })
    expect(await dialog.evaluate((node) => node.scrollWidth - node.clientWidth)).toBe(0)
    const { violations } = await new AxeBuilder({ page }).include('dialog[open]').analyze()
    expect(violations.filter(({ impact }) => impact === 'serious' || impact === 'critical')).toEqual([])
  })
}

test('an example runs on the model that the person chose', async ({ page }) => {
  test.skip(!models.onnxChat, 'needs SmolLM2 as ONNX in the models folder')
  test.setTimeout(300_000)
  const demo = await openDemo(page)
  await demo.models.click()
  const row = page
    .getByRole('listitem')
    .filter({ has: page.getByRole('heading', { name: 'SmolLM2 135M', exact: true }) })
  await row.getByRole('button', { name: /[uU]se: SmolLM2 135M/ }).click()
  await expect(row).toContainText('In use', { timeout: 180_000 })
  await page.keyboard.press('Escape')
  const dialog = await openExamples(page)
  await expect(dialog.getByRole('combobox', { name: 'Run on' })).toHaveValue('own')
  const weather = await start(dialog, 'A tool')
  await expect(weather).toContainText('On SmolLM2 135M, here on this device.')
  await ended(weather)
  await expect(parts(weather)).toContainText('24 degrees')
  await expect(parts(weather)).toContainText('"modelId":"transformers:SmolLM2-135M-Instruct"')
  await dialog.getByRole('combobox', { name: 'Run on' }).selectOption('Scripted model')
  await expect(weather).toContainText('On the scripted model')
})

import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, type Locator, type Page } from '@playwright/test'
import { models } from '../browser/setup.js'

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))))

/** Sizes that the demo is looked at in. */
export const PHONE = { width: 360, height: 740 }
export const DESKTOP = { width: 1280, height: 800 }

/** Where the demo is served; the global set-up names it. */
export function demoUrl(): string {
  const url = process.env.ALCOVE_TEST_URL
  if (url === undefined)
    throw new Error('ALCOVE_TEST_URL is not set: run this with `npx playwright test --project demo`.')
  return url
}

/** What a person would see as a fault: errors of the page, and refusals by the Content-Security-Policy. */
export function watchFaults(page: Page): string[] {
  const faults: string[] = []
  page.on('pageerror', (error) => faults.push(error.message))
  page.on('console', (message) => {
    if (message.type() === 'error' && /Content.Security.Policy|Uncaught/i.test(message.text()))
      faults.push(message.text())
  })
  return faults
}

/** The parts of the page, by what a person calls them. */
export const parts = (page: Page) => ({
  question: page.getByRole('textbox', { name: 'Your question' }),
  ask: page.getByRole('button', { name: 'Ask', exact: true }),
  stop: page.getByRole('button', { name: 'Stop', exact: true }),
  documents: page.getByRole('complementary', { name: 'Documents' }),
  answers: page.getByRole('region', { name: /^Answer to:/ }),
  source: page.locator('#source'),
  passage: page.locator('mark.passage'),
  readiness: page.locator('#readiness'),
  models: page.getByRole('button', { name: /^Answers:/ }),
  row: (name: string | RegExp): Locator => page.locator('#documents').getByRole('listitem').filter({ hasText: name }),
})

/** Opens the demo for the first time and waits for the sample documents. */
export async function openDemo(page: Page): Promise<ReturnType<typeof parts>> {
  await page.goto(demoUrl())
  const demo = parts(page)
  await expect(page.locator('#documents').getByText(/\d+ passages?/)).toHaveCount(3)
  return demo
}

/** Asks and waits for the end of the answer; gives its region. */
export async function ask(page: Page, question: string): Promise<Locator> {
  const demo = parts(page)
  await demo.question.fill(question)
  await demo.question.press('Enter')
  const answer = page.getByRole('region', { name: `Answer to: ${question}` }).last()
  await expect(answer.getByRole('button', { name: 'Copy answer' })).toBeVisible({ timeout: 120_000 })
  return answer
}

/** A file of the repository, as a person would choose it, under another name where one is given. */
export function repositoryFile(path: string, name = path.split('/').at(-1) ?? path) {
  const mimeType = name.endsWith('.pdf') ? 'application/pdf' : 'application/octet-stream'
  return { name, mimeType, buffer: readFileSync(join(root, path)) }
}

/** A file that is made up. */
export const madeFile = (name: string, text: string) => ({
  name,
  mimeType: 'application/octet-stream',
  buffer: Buffer.from(text),
})

/** Chooses files through the page's own file dialog. */
export async function chooseFiles(page: Page, files: Parameters<Locator['setInputFiles']>[0]): Promise<void> {
  const chooser = page.waitForEvent('filechooser')
  await page
    .getByRole('button', { name: /^Add documents/ })
    .first()
    .click()
  await (await chooser).setFiles(files as string[])
}

/** Folder of the real test documents, where there is one. */
export const dataFolder = process.env.ALCOVE_DATA_DIR
/** Folder of the real models, where the small embedding model is in one. */
export const modelsFolder = models.embedding && (process.env.ALCOVE_MODELS_DIR ?? 'models')

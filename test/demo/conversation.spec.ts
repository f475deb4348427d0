import { readFileSync } from 'node:fs'
import { expect, test } from '@playwright/test'
import { ask, chooseFiles, demoUrl, madeFile, openDemo, parts } from './demo-page.js'

test('documents, the conversation and the half-written question survive a reload', async ({ page }) => {
  const demo = await openDemo(page)
  await chooseFiles(page, madeFile('night.md', '# Night shift\n\nThe night porter feeds the cat at four.'))
  await expect(demo.row('Night shift')).toContainText('1 passage')
  await ask(page, 'When does the night porter feed the cat?')
  await demo.question.fill('And what about the')
  await page.reload()
  await expect(demo.question).toHaveValue('And what about the')
  await expect(demo.question).toBeFocused()
  await expect(demo.row('Night shift')).toContainText('1 passage')
  await expect(demo.answers).toHaveCount(1)
  await expect(demo.answers).toContainText('feeds the cat at four')
  await demo.answers
    .getByRole('button', { name: /^Source 1/ })
    .first()
    .click()
  await expect(demo.passage).toContainText('feeds the cat at four')
})

test('an answer can be stopped while it waits for documents, and asked again', async ({ page }) => {
  await page.addInitScript(() => {
    const { promise, resolve } = Promise.withResolvers<void>()
    const fetchNow = window.fetch
    const page = window as unknown as { letDocumentsCome(): void; fetch: typeof fetch }
    page.letDocumentsCome = resolve
    page.fetch = async (input, init) => {
      if (String(input).includes('/documents/')) await promise
      return fetchNow(input, init)
    }
  })
  await page.goto(demoUrl())
  const demo = parts(page)
  await demo.question.fill('How long can a visitor borrow a study laptop?')
  await demo.question.press('Enter')
  await expect(demo.answers).toContainText('Looking through your documents')
  await demo.stop.click()
  await expect(demo.answers).toContainText('Stopped before there was an answer')
  await expect(demo.ask).toBeVisible()
  await expect(demo.question).toBeFocused()
  await page.evaluate(() => (window as unknown as { letDocumentsCome(): void }).letDocumentsCome())
  await demo.answers.getByRole('button', { name: 'Ask again' }).click()
  await expect(demo.answers).toContainText('four hours')
  await expect(demo.answers).toHaveCount(1)
})

test('a question can be changed and run again, which replaces what came after it', async ({ page }) => {
  const demo = await openDemo(page)
  await ask(page, 'How long are books lent?')
  await ask(page, 'Where is story time?')
  await page.getByRole('article').first().hover()
  await page.getByRole('button', { name: 'Edit question' }).first().click()
  await expect(demo.question).toHaveValue('How long are books lent?')
  await expect(page.getByText('What came after it will be replaced')).toBeVisible()
  await demo.question.fill('What happens in a power cut?')
  await demo.question.press('Enter')
  await expect(demo.answers).toHaveCount(1)
  await expect(demo.answers).toContainText('paper slips in the blue box')
  await demo.question.press('ArrowUp')
  await expect(demo.question).toHaveValue('What happens in a power cut?')
  await page.getByRole('button', { name: 'Leave it as it was' }).click()
  await expect(demo.question).toHaveValue('')
})

test('an answer can be copied, and the conversation saved as Markdown with its sources', async ({ page, context }) => {
  await context.grantPermissions(['clipboard-read', 'clipboard-write'])
  await openDemo(page)
  const answer = await ask(page, 'What do two people do with a found wallet?')
  await answer.getByRole('button', { name: 'Copy answer' }).click()
  await expect(answer.getByRole('button', { name: 'Copied' })).toBeVisible()
  expect(await page.evaluate(() => navigator.clipboard.readText())).toContain('two people count it together')
  await page.getByRole('button', { name: 'More' }).click()
  const download = page.waitForEvent('download')
  await page.getByRole('button', { name: 'Export as Markdown' }).click()
  const saved = readFileSync(await (await download).path(), 'utf8')
  expect(saved).toContain('## What do two people do with a found wallet?')
  expect(saved).toMatch(/1\. Harbour Library: staff handbook, p\. 3: “.*two people count it together/)
})

test('a new conversation leaves the documents alone', async ({ page }) => {
  const demo = await openDemo(page)
  await ask(page, 'Where is story time?')
  await page.getByRole('button', { name: 'More' }).click()
  await page.getByRole('button', { name: 'New conversation' }).click()
  await expect(demo.answers).toHaveCount(0)
  await expect(page.getByRole('heading', { name: 'Ask your documents, in private.' })).toBeVisible()
  await expect(demo.row('Harbour Library')).toHaveCount(1)
})

test('what the documents do not say is not answered', async ({ page }) => {
  await openDemo(page)
  const answer = await ask(page, 'Which year did the emperor Trajan die?')
  await expect(answer).toContainText('I found nothing in your documents')
  await expect(answer.getByRole('button', { name: /^Source/ })).toHaveCount(0)
})

test('hostile text of a model becomes text, never markup that runs, looks or leads elsewhere unasked', async ({
  page,
}) => {
  const hostile = [
    'Hello <script>window.hacked = 1</script> <img src=x onerror="window.hacked = 1"> <b style="position:fixed">bold</b>',
    '[click](javascript:window.hacked=1) [out](https://example.com/) ![beacon](https://example.com/?q=secret)',
    '<form action="https://example.com"><button>Send</button></form>',
    'A forged number \uE0000\uE001 and `code`',
    '| a | b |\n| --- | --- |\n| 1 | 2 |',
  ].join('\n\n')
  await page.addInitScript((text) => {
    const turn = { id: 'turn-1', question: 'Hostile?', modelId: 'x', quoting: false, reasoning: '', state: 'done' }
    const lists = { tools: [], citations: [], claims: [], notes: [] }
    const segments = [{ draft: false, start: 0, text }]
    localStorage.setItem(
      'alcove-demo',
      JSON.stringify({ version: 1, turns: [{ ...turn, ...lists, segments }], samplesOffered: true, draft: '' }),
    )
  }, hostile)
  const elsewhere: string[] = []
  page.on('request', (request) => {
    if (/example\.com/.test(request.url())) elsewhere.push(request.url())
  })
  await page.goto(demoUrl())
  const { answers } = parts(page)
  await expect(answers.getByRole('cell', { name: '2' })).toBeVisible()
  await expect(answers).toContainText('<script>window.hacked = 1</script>')
  await expect(answers.locator('script, img, form, [style], b, .cite')).toHaveCount(0)
  const link = answers.getByRole('link', { name: 'out' })
  await expect(link).toHaveAttribute('rel', /noopener/)
  await expect(answers.locator('a[href^="javascript"]')).toHaveCount(0)
  expect(await page.evaluate(() => 'hacked' in window)).toBe(false)
  expect(elsewhere).toEqual([])
})

test('answers are announced by sentence, politely', async ({ page }) => {
  await openDemo(page)
  await ask(page, 'How long can a visitor borrow a study laptop?')
  const log = page.getByRole('log')
  await expect(log).toHaveAttribute('aria-live', 'polite')
  const said = await log.locator('p').allInnerTexts()
  expect(said).toContain('A visitor can borrow a study laptop for four hours on one day, against a library card.')
  expect(said.at(-1)).toMatch(/End of the answer, with \d+ sources?\./)
})

test('what a draft says that no document supports is marked, and its numbers lead to the passages', async ({
  page,
}) => {
  const text = 'It seats four. The room is 77 square metres [1].'
  const source = { id: 'gone', title: 'Old plan', headings: [], page: 4 }
  const citation = { index: 1, source, span: [0, 14], quote: 'It seats four.', verified: true, answerSpan: [0, 14] }
  const turn = {
    ...{
      id: 'turn-1',
      question: 'How large?',
      modelId: 'transformers:SmolLM2-135M-Instruct',
      quoting: true,
      state: 'done',
    },
    ...{ reasoning: '', tools: [], notes: [], citations: [citation] },
    segments: [
      { draft: false, start: 0, text: text.slice(0, 14) },
      { draft: true, start: 14, text: text.slice(14) },
    ],
    claims: [
      { answerSpan: [text.indexOf('77'), text.indexOf('77') + 2], kind: 'number', supported: false },
      { answerSpan: [0, 2], kind: 'name', supported: true },
    ],
  }
  const saved = JSON.stringify({ version: 1, turns: [turn], samplesOffered: true, draft: '' })
  await page.addInitScript((stored) => localStorage.setItem('alcove-demo', stored), saved)
  await page.goto(demoUrl())
  const { answers, source: panel } = parts(page)
  await expect(answers.getByRole('blockquote')).toHaveText(/It seats four\./)
  await expect(answers.locator('mark.doubt')).toHaveText(/^77/)
  await expect(answers).toContainText('1 detail in this text is not in your documents')
  await expect(answers.locator('.draft')).not.toContainText('[1]')
  await answers.locator('.draft').getByRole('button', { name: 'Source 1: Old plan, page 4' }).click()
  await expect(panel).toContainText('This document was removed, so only the quoted words are left.')
  await expect(panel.getByRole('blockquote')).toHaveText('It seats four.')
})

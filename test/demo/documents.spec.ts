import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from '@playwright/test'
import { ask, chooseFiles, dataFolder, madeFile, openDemo, parts, repositoryFile } from './demo-page.js'

test('a PDF that a person chooses is read, asked and shown at the passage', async ({ page }) => {
  const demo = await openDemo(page)
  await page.getByRole('button', { name: 'Remove Harbour Library: staff handbook' }).click()
  await expect(demo.row('Harbour Library')).toHaveCount(0)
  await chooseFiles(page, repositoryFile('demo/public/documents/harbour-library-handbook.pdf', 'front desk.pdf'))
  await expect(demo.row(/Harbour Library|front desk/)).toContainText('3 pages')
  const answer = await ask(page, 'What does it cost to replace a lost library card?')
  await expect(answer).toContainText('4 euros')
  await answer
    .getByRole('button', { name: /^Source 1/ })
    .first()
    .click()
  await expect(demo.source).toContainText('Page 1 of 3')
  await expect(demo.source).toContainText('Word for word in this document')
  await expect(demo.passage).toContainText('A lost library card is replaced')
  await expect(demo.passage).toBeInViewport()
  await page.getByRole('button', { name: 'Back to the answer' }).click()
  await expect(demo.source).toBeHidden()
  await expect(answer.getByRole('button', { name: /^Source 1/ }).first()).toBeFocused()
})

test('a real paper of 14 pages', async ({ page }) => {
  test.skip(dataFolder === undefined, 'ALCOVE_DATA_DIR names no folder of real documents')
  const demo = await openDemo(page)
  await chooseFiles(page, join(dataFolder ?? '', 'documents', 'pdf.js', 'tracemonkey.pdf'))
  await expect(demo.row(/tracemonkey|Trace-based/i)).toContainText(/14 pages · \d+ passages/, { timeout: 60_000 })
  const answer = await ask(page, 'What does the trace monitor do when a loop becomes hot?')
  await expect(answer).toContainText(/hot/)
  await answer
    .getByRole('button', { name: /^Source 1/ })
    .first()
    .click()
  await expect(demo.source).toContainText(/Page \d+ of 14/)
  await expect(demo.passage).toContainText(/hot/)
  await expect(demo.passage).toBeInViewport()
})

test('a broken file says in its row what is wrong and what to do, and disturbs nothing else', async ({ page }) => {
  const demo = await openDemo(page)
  await chooseFiles(page, [
    madeFile('broken.pdf', '%PDF-1.7\n1 0 obj\n<< nothing that ends'),
    madeFile('whole.md', '# Whole\n\nThe lighthouse keeper is called Mirela.'),
  ])
  await expect(demo.row('broken.pdf')).toContainText(/broken and could not be read/)
  await expect(demo.row('Whole')).toContainText('1 passage')
  await expect(await ask(page, 'Who is the lighthouse keeper?')).toContainText('Mirela')
  await page.getByRole('button', { name: 'Try again: broken.pdf' }).click()
  await expect(demo.row('broken.pdf')).toContainText(/broken and could not be read/)
  await page.getByRole('button', { name: 'Remove broken.pdf' }).click()
  await expect(demo.row('broken.pdf')).toHaveCount(0)
})

test('an empty file and one of an unknown kind have their own sentences', async ({ page }) => {
  const demo = await openDemo(page)
  await chooseFiles(page, [
    madeFile('nothing.txt', ' \n '),
    madeFile('picture.png', '\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\0'),
  ])
  await expect(demo.row('nothing.txt')).toContainText('There is no text in this file')
  await expect(demo.row('picture.png')).toContainText('This kind of file cannot be read')
})

test('files can be dropped anywhere, with an overlay that says so', async ({ page }) => {
  const demo = await openDemo(page)
  const transfer = await page.evaluateHandle(() => {
    const made = new DataTransfer()
    made.items.add(new File(['The ferry to Brekka leaves at 07:50.'], 'ferry.txt', { type: 'text/plain' }))
    return made
  })
  await page.dispatchEvent('main', 'dragenter', { dataTransfer: transfer })
  await expect(page.getByText('Drop to add these documents')).toBeVisible()
  await page.dispatchEvent('main', 'drop', { dataTransfer: transfer })
  await expect(page.getByText('Drop to add these documents')).toBeHidden()
  await expect(demo.row('ferry')).toContainText('1 passage')
  await expect(await ask(page, 'When does the ferry to Brekka leave?')).toContainText('07:50')
})

test('text can be pasted as a document', async ({ page }) => {
  const demo = await openDemo(page)
  await page.getByRole('button', { name: 'Paste text' }).click()
  const dialog = page.getByRole('dialog', { name: 'Paste text' })
  await dialog.getByLabel('Text').fill('The bakery on Anchor Lane opens at half past five.')
  await dialog.getByLabel('Name').fill('Bakery')
  await dialog.getByRole('button', { name: 'Add as a document' }).click()
  await expect(demo.row('Bakery')).toContainText('1 passage')
  await expect(await ask(page, 'When does the bakery open?')).toContainText('half past five')
})

test('a paste outside of the question becomes a document', async ({ page, context }) => {
  await context.grantPermissions(['clipboard-read', 'clipboard-write'])
  const demo = await openDemo(page)
  await page.evaluate(() => navigator.clipboard.writeText('# Ferry notes\n\nThe last ferry is called Sigrun.'))
  await page.getByRole('button', { name: 'More' }).focus()
  await page.keyboard.press('Control+V')
  await expect(demo.row('Ferry notes')).toContainText('1 passage')
  await expect(await ask(page, 'What is the last ferry called?')).toContainText('Sigrun')
})

test('of a folder, what can be read is added and the rest is counted', async ({ page }, info) => {
  const folder = info.outputPath('folder')
  mkdirSync(join(folder, 'below'), { recursive: true })
  writeFileSync(join(folder, 'one.md'), '# One\n\nThe gate code is on the blue card.')
  writeFileSync(join(folder, 'below', 'two.txt'), 'The cellar floods in March.')
  writeFileSync(join(folder, 'photo.jpg'), 'no text')
  const demo = await openDemo(page)
  const chooser = page.waitForEvent('filechooser')
  await page.getByRole('button', { name: 'Folder', exact: true }).click()
  await (await chooser).setFiles(folder)
  await expect(demo.row('One')).toContainText('1 passage')
  await expect(demo.row('two.txt')).toContainText('1 passage')
  await expect(page.getByText('1 file of other kinds left out')).toBeVisible()
})

test('what was removed stays removed, and everything can be cleared', async ({ page }) => {
  const demo = await openDemo(page)
  await page.getByRole('button', { name: 'Remove Lantern walk' }).click()
  await expect(demo.row('Lantern walk')).toHaveCount(0)
  await page.reload()
  await expect(demo.row('Harbour Library')).toHaveCount(1)
  await expect(demo.row('Lantern walk')).toHaveCount(0)
  await ask(page, 'What happens on storm days?')
  await page.getByRole('button', { name: 'Clear everything' }).click()
  const dialog = page.getByRole('dialog', { name: 'Clear everything on this device?' })
  await expect(dialog).toContainText('2 documents')
  await dialog.getByRole('button', { name: 'Keep it' }).click()
  await expect(demo.row('Harbour Library')).toHaveCount(1)
  await page.getByRole('button', { name: 'Clear everything' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Clear everything' }).click()
  await expect(page.getByText('No documents yet')).toBeVisible()
  await expect(demo.answers).toHaveCount(0)
  await expect(demo.question).toBeFocused()
  await page.reload()
  await expect(page.getByText('No documents yet')).toBeVisible()
  await expect(parts(page).readiness).toHaveText('Add a document to ask about')
  await page.getByRole('button', { name: 'Put the sample documents in' }).click()
  await expect(demo.row('Harbour Library')).toContainText('3 pages')
})

test('a document can be read by itself, and its size on this device is told', async ({ page }) => {
  const demo = await openDemo(page)
  await expect(page.getByText(/\d (KB|MB) on this device/)).toBeVisible()
  await page.getByRole('button', { name: 'Read 竹里茶室使用指南' }).click()
  await expect(demo.source).toContainText('钥匙交回楼下裁缝铺的陈师傅')
  await page.keyboard.press('Escape')
  await expect(demo.source).toBeHidden()
  await expect(page.getByRole('button', { name: 'Read 竹里茶室使用指南' })).toBeFocused()
})

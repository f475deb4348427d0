import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { recallOf } from '../../../bench/lib/text-recall.js'
import { parseDocument } from '../../../src/retrieval/parse/parse.js'
import { docxParagraph, docxTable, makeDocx, makePdf, pdfColumn } from '../../fixtures/documents/make-documents.js'
import { makeEpub, makePptx, makeXlsx } from '../../fixtures/documents/make-office.js'

const fixture = (name: string): Uint8Array =>
  new Uint8Array(readFileSync(new URL(`../../fixtures/documents/${name}`, import.meta.url)))

const paragraphs = [
  'The harbour master notes the height of the tide at noon and at midnight.',
  'Spring tides follow the full moon by two days; neap tides the half moon.',
  'A gauge at the pier writes its curve on paper, which is changed on Mondays.',
]
const table = [
  ['Harbour', 'Spring range', 'Neap range'],
  ['Brest', '6.1 metres', '2.8 metres'],
  ['Saint-Malo', '10.7 metres', '4.9 metres'],
  ['Marseille', '0.3 metres', '0.1 metres'],
] as const
const title = 'Tides of the Western Harbours'
const expected = [title, ...paragraphs, ...table.map((row) => row.join(' '))].join('\n')

/** The same document in each kind. */
const documents: Readonly<Record<string, () => Uint8Array | string>> = {
  'a.docx': () =>
    makeDocx(
      docxParagraph(title, 'Heading1') + paragraphs.map((text) => docxParagraph(text)).join('') + docxTable(table),
    ),
  'a.pptx': () => makePptx([{ title, lines: paragraphs.map((text) => ({ text })), table }]),
  'a.xlsx': () => makeXlsx([{ name: title, rows: [...paragraphs.map((text) => [text]), [], ...table] }]),
  'a.epub': () =>
    makeEpub([
      {
        file: 'a.xhtml',
        body: `<h1>${title}</h1>${paragraphs.map((text) => `<p>${text}</p>`).join('')}<table>${table.map((row) => `<tr>${row.map((cell) => `<td>${cell}</td>`).join('')}</tr>`).join('')}</table>`,
      },
    ]),
  'a.pdf': () =>
    makePdf([
      {
        lines: [
          { x: 60, y: 790, size: 16, font: 'bold', text: title },
          ...pdfColumn(paragraphs, { x: 60, y: 750 }),
          ...table.flatMap((row, line) =>
            row.map((text, column) => ({ x: 60 + column * 150, y: 690 - line * 18, text })),
          ),
        ],
      },
    ]),
  'a.csv': () => [title, ...paragraphs.map((text) => `"${text}"`), ...table.map((row) => row.join(','))].join('\n'),
  'a.html': () =>
    `<html><body><nav>Home About</nav><main><h1>${title}</h1>${paragraphs.map((text) => `<p>${text}`).join('')}<table>${table.map((row) => `<tr><td>${row.join('<td>')}`).join('')}</table></main><footer>Imprint</footer></body></html>`,
  'a.md': () =>
    `# ${title}\n\n${paragraphs.join('\n\n')}\n\n${table.map((row) => `| ${row.join(' | ')} |`).join('\n')}`,
  'a.json': () =>
    JSON.stringify({
      title,
      paragraphs,
      table: table.slice(1).map((row) => Object.fromEntries(row.map((cell, index) => [table[0][index], cell]))),
    }),
  'a.txt': () => expected,
}

describe('what is recovered of a document', () => {
  it.each(Object.entries(documents))('%s: all words, in order', async (name, make) => {
    const { text } = await parseDocument({ data: make(), name })
    const { words, order } = recallOf(expected, text)
    expect(words).toBe(1)
    expect(order).toBeGreaterThanOrEqual(0.99)
    // Nothing is said twice, but for the header and the path of JSON.
    expect(text.length).toBeLessThan(expected.length * 1.35)
  })

  it.each([
    ['report.docx', 'The Report the tower is 42 metres high'],
    ['two-columns.pdf', 'First left column, line 1 First left column, line 14 First right column, line 1'],
    ['slides.pptx', 'The Tower Built in 1912 42 metres Mention the lift Visits Monday 10 to 16 Sunday closed'],
    ['costs.xlsx', 'Costs Item Bought Price Lamp 2025-12-09 1,234.50 Chair 2025-12-10 99.00'],
    ['book.epub', 'Of the Sea It rises & falls Of the Moon It pulls'],
    ['article.html', 'The tower It was built in 1912 and is 42 metres high'],
  ])('the file %s: all words, in order', async (name, says) => {
    const { text } = await parseDocument({ data: fixture(name), name })
    expect(recallOf(says, text)).toEqual({ words: 1, order: 1 })
  })

  it('the measure tells what is missing from what is out of order', () => {
    expect(recallOf('a b c d', 'A, b! c; d.')).toEqual({ words: 1, order: 1 })
    expect(recallOf('a b c d', 'a b')).toEqual({ words: 0.5, order: 1 })
    expect(recallOf('a b c d', 'c d a b')).toEqual({ words: 1, order: 0.5 })
  })
})

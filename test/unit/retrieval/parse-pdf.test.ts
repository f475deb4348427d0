import { describe, expect, it } from 'vitest'
import { parseDocument } from '../../../src/retrieval/parse/parse.js'
import { makePdf, type PdfOptions, type PdfPage, pdfColumn } from '../../fixtures/documents/make-documents.js'

const parse = (pages: readonly PdfPage[], options?: PdfOptions) => parseDocument({ data: makePdf(pages, options) })

/** Lines of a column of text; each names the column and its place. */
const columnLines = (name: string, count: number): string[] =>
  Array.from({ length: count }, (_, index) => `${name} column text of line number ${index + 1} goes on`)

describe('a PDF', () => {
  it('of two columns is read column by column, page by page', async () => {
    const page = (number: string): PdfPage => ({
      lines: [
        { x: 150, y: 790, size: 16, font: 'bold', text: `A Title That Runs Across ${number}` },
        ...pdfColumn(columnLines(`${number} left`, 12), { x: 50, y: 740 }),
        ...pdfColumn(columnLines(`${number} right`, 12), { x: 310, y: 740 }),
      ],
    })
    const { text, pages } = await parse([page('One'), page('Two')])
    const order = [
      'Across One',
      'One left column',
      'One right column',
      'Across Two',
      'Two left column',
      'Two right column',
    ]
    const found = order.map((part) => text.indexOf(part))
    expect(found).not.toContain(-1)
    expect(found).toEqual([...found].sort((a, b) => a - b))
    expect(text.indexOf('One right column text of line number 1 ')).toBeGreaterThan(
      text.indexOf('One left column text of line number 12'),
    )
    expect(pages.map(({ page: number }) => number)).toEqual([1, 2])
    expect(text.slice(...(pages[1]?.span ?? [0, 0]))).toMatch(/^A Title That Runs Across Two/)
    expect(pages[0]?.span[0]).toBe(0)
    expect(pages[1]?.span).toEqual([pages[0]?.span[1], text.length])
  })

  it('joins lines to paragraphs, and words that a line end broke', async () => {
    const lines = [
      'The first paragraph is about infor-',
      'mation and its well-known uses. It is a well-',
      'known matter, and some information stays',
      'here.',
    ]
    const more = ['A second paragraph follows after a gap and is', 'long enough for two lines of text on the page.']
    const { text } = await parse([
      { lines: [...pdfColumn(lines, { x: 60, y: 700 }), ...pdfColumn(more, { x: 60, y: 630 })] },
    ])
    expect(text).toBe(
      'The first paragraph is about information and its well-known uses. It is a well-known matter, and some information stays here.\n\n' +
        'A second paragraph follows after a gap and is long enough for two lines of text on the page.',
    )
  })

  it('goes on with a paragraph on the next page, and leaves out running heads and page numbers', async () => {
    const page = (number: number, lines: readonly string[]): PdfPage => ({
      lines: [
        { x: 60, y: 800, size: 8, text: `Annual Report ${2020 + number}` },
        ...pdfColumn(lines, { x: 60, y: 740 }),
        { x: 290, y: 30, size: 8, text: `Page ${number} of 3` },
      ],
    })
    const full = 'This line of the text is as wide as the column that it is in and'
    const { text, pages } = await parse([
      page(1, [full, full, 'This line of the text is as wide as the column that it is, and the']),
      page(2, ['sentence ends on the second page of the document in this line, so', 'it does.']),
      page(3, ['The third page.']),
    ])
    expect(text).not.toMatch(/Annual Report|Page \d/)
    expect(text).toContain('that it is, and the sentence ends on the second page')
    expect(text.slice(pages[1]?.span[0])).toMatch(/^sentence ends/)
  })

  it('keeps a first line that two pages share when it is part of their text', async () => {
    const lines = [
      'Lorem ipsum dolor sit amet, consetetur sadipscing elitr, sed diam',
      'nonumy eirmod tempor invidunt.',
    ]
    const page = { lines: pdfColumn(lines, { x: 60, y: 740 }) }
    const { text } = await parse([page, page])
    expect(text.match(/Lorem ipsum/g)).toHaveLength(2)
  })

  it('reads lists and tables line by line', async () => {
    const list = ['\u2022 First thing on the list', '\u2022 Second thing', '\u2022 Third thing'].map((text) =>
      text.replace('\u2022', '\x95'),
    )
    const rows: readonly (readonly [string, string, string])[] = [
      ['Name', 'Amount', 'Price'],
      ['Apples', '12', '3.50'],
      ['Pears', '7', '4.25'],
    ]
    const table = rows.flatMap((row, index) =>
      row.map((text, cell) => ({ x: 60 + cell * 120, y: 600 - index * 14, text })),
    )
    const { text } = await parse([{ lines: [...pdfColumn(list, { x: 60, y: 740 }), ...table] }])
    expect(text).toBe(
      '- First thing on the list\n- Second thing\n- Third thing\n\nName | Amount | Price\nApples | 12 | 3.50\nPears | 7 | 4.25',
    )
  })

  it('has headings by its outline, else by its type', async () => {
    const body = columnLines('Body', 8)
    const page = (title: string): PdfPage => ({
      lines: [{ x: 60, y: 760, size: 18, font: 'bold', text: title }, ...pdfColumn(body, { x: 60, y: 730 })],
    })
    const pages = [page('First Part'), page('Second Part')]
    const byType = await parse(pages)
    expect(byType.headings.map(({ title, level }) => [title, level])).toEqual([
      ['First Part', 1],
      ['Second Part', 1],
    ])
    const outline = [
      { title: '1. First part', page: 0 },
      { title: '2. Second part', page: 1 },
    ]
    const byOutline = await parse(pages, { outline, title: 'The Parts' })
    expect(byOutline.title).toBe('The Parts')
    expect(byOutline.headings.map(({ title }) => title)).toEqual(['1. First part', '2. Second part'])
    for (const { headings, text } of [byType, byOutline]) {
      expect(headings.map(({ start }) => text.slice(start, start + 5))).toEqual(['First', 'Secon'])
    }
  })

  it.each([90, 180, 270] as const)('turned by %i degrees is read as it is shown', async (rotate) => {
    const lines = pdfColumn(['The first line of a turned page', 'and the second line of it.'], { x: 60, y: 500 })
    const { text } = await parse([{ rotate, lines }])
    expect(text).toBe('The first line of a turned page and the second line of it.')
  })

  it('reads Chinese in a font that is not embedded, by the bundled character maps', async () => {
    const lines = pdfColumn(
      ['中文文档的第一行文字很长', '第二行接着写下去。'],
      { x: 60, y: 700, font: 'song', size: 12 },
      16,
    )
    const { text } = await parse([{ lines }])
    expect(text).toBe('中文文档的第一行文字很长第二行接着写下去。')
  })
})

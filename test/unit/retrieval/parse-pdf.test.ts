import { readFileSync } from 'node:fs'
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

describe('a table in a PDF', () => {
  const intro: PdfPage['lines'] = pdfColumn(
    [
      'The handbook lists what has to be checked, how often, and by whom; see the table below for all',
      'of it. Anything that is not in the table is the duty of the head of the department, who may pass it',
      'on to others in writing.',
    ],
    { x: 60, y: 780 },
  )
  const rows = [
    ['What has to be checked', 'How often, and by whom'],
    ['Fire extinguishers and hoses', 'Every twelve months by the service firm'],
    ['Emergency lights on the stairs', 'Once a month by the caretaker'],
    ['Lift of the north building', 'Every six months by the technician'],
    ['Ladders and scaffolding parts', 'Before each use by whoever climbs'],
    ['Cold store and its alarm', 'Weekly by the head of the kitchen'],
  ] as const

  it('with long cells keeps its rows whole', async () => {
    const cells = rows.flatMap(([left, right], index) => [
      { x: 60, y: 690 - index * 20, text: left },
      { x: 320, y: 690 - index * 20, text: right },
    ])
    const { text } = await parse([{ lines: [...intro, ...cells] }])
    expect(text).toContain(rows.map((row) => row.join(' | ')).join('\n'))
  })

  it('has the lines of a cell in its row', async () => {
    const cells = rows.flatMap(([left, right], index) => {
      const y = 690 - index * 34
      return [
        { x: 60, y, text: left },
        { x: 320, y, text: right },
        { x: 320, y: y - 12, text: `and write it into book ${index}` },
      ]
    })
    const { text } = await parse([{ lines: [...intro, ...cells] }])
    const expected = rows.map((row, index) => `${row.join(' | ')} and write it into book ${index}`)
    expect(text).toContain(expected.join('\n'))
  })

  it('has a cell that spans two rows in the upper one', async () => {
    const cells = [0, 1, 2].flatMap((index) => {
      const y = 690 - index * 24
      return [
        { x: 180, y, text: `OTSL${index}` },
        { x: 300, y, text: '0.965' },
        { x: 60, y: y - 6, text: `${index} layers` },
        { x: 180, y: y - 12, text: `HTML${index}` },
        { x: 300, y: y - 12, text: '0.938' },
      ]
    })
    const { text } = await parse([{ lines: [...intro, ...cells] }])
    expect(text).toContain('0 layers | OTSL0 | 0.965\nHTML0 | 0.938\n1 layers | OTSL1 | 0.965')
  })

  it('is no table where two columns of text stand side by side', async () => {
    const { text } = await parse([
      {
        lines: [
          ...pdfColumn(columnLines('Left', 12), { x: 50, y: 740 }),
          ...pdfColumn(columnLines('Right', 12), { x: 310, y: 740 }),
        ],
      },
    ])
    expect(text).not.toContain('|')
    expect(text.indexOf('Right column')).toBeGreaterThan(text.indexOf('Left column text of line number 12'))
  })
})

describe('a PDF whose fonts do not say which letters they draw', () => {
  const shifted = (text: string): string =>
    text.replace(/[\x21-\x7e]/g, (character) => String.fromCharCode(Math.max(0x21, character.charCodeAt(0) - 29)))
  const sentence = 'the tide comes in twice a day and goes out again as everybody at the harbour knows very well'

  it('is refused, and the hint names text recognition', async () => {
    const lines = pdfColumn(Array<string>(12).fill(shifted(sentence)), { x: 50, y: 700 })
    await expect(parse([{ lines }])).rejects.toMatchObject({
      code: 'document-unsupported',
      hint: expect.stringContaining('OCR'),
    })
  })

  it('is read without them where they are few, with a warning', async () => {
    const good = pdfColumn(Array<string>(12).fill(sentence), { x: 50, y: 700 })
    const bad = pdfColumn(Array<string>(3).fill(shifted(sentence)), { x: 50, y: 400, font: 'bold' })
    const { text, warnings } = await parse([{ lines: [...good, ...bad] }, { lines: [] }])
    expect(text).toContain(sentence)
    expect(text).not.toContain(shifted('harbour'))
    expect(warnings?.map(({ code }) => code)).toEqual(['unreadable-fonts', 'pages-without-text'])
  })

  it.each([
    ['capitals', 'THE TIDE COMES IN TWICE A DAY AND GOES OUT AGAIN AS EVERYBODY AT THE HARBOUR KNOWS VERY WELL '],
    ['German', 'Zweimal am Tag steigt die Flut, und zweimal geht sie wieder hinaus, wie jeder am Hafen weiss '],
    ['formulas', 'f(x) = ax2 + bx + c where a, b and c are real numbers and x is what we look for in the end '],
    ['genes', 'ACGTTGCAATCGGATCCATTGACCGATCGATTACAGGCATGAGCCACCGCGCCCGGCCTAATTTTTGTATTTTTAGTAGAGACGGGG '],
  ])('is not one of %s', async (_, line) => {
    const { warnings } = await parse([{ lines: pdfColumn([line, line, line], { x: 50, y: 700 }) }])
    expect(warnings).toBeUndefined()
  })
})

describe('the handbook of the demo', () => {
  it('has two columns of text and tables over both of them, each read as what it is', async () => {
    const { text } = await parseDocument({ data: readFileSync('demo/public/documents/harbour-library-handbook.pdf') })
    expect(text).toContain('A visitor can borrow a study laptop for four hours on one day, against a library card.')
    expect(text).toContain('A lost library card is replaced at the front desk for 4 euros.')
    expect(text).toContain('Tuesday to Thursday | 9:00 - 18:00 | 9:30 - 17:30 | 10:00 - 16:00\nFriday | ')
    expect(text).toContain('Study laptops | 4 hours | none | 2.00 euros an hour')
    expect(text.indexOf('2 Library cards')).toBeLessThan(text.indexOf('3 Opening hours'))
    expect(text.indexOf('6 Sea charts')).toBeLessThan(text.indexOf('7 Late and lost items'))
  })
})

import { strToU8 } from 'fflate'
import { describe, expect, it } from 'vitest'
import { parseDocument } from '../../../src/retrieval/parse/parse.js'
import { docxParagraph, makeDocx } from '../../fixtures/documents/make-documents.js'
import { makeEpub, makePptx, makeXlsx } from '../../fixtures/documents/make-office.js'

const parse = (data: Uint8Array) => parseDocument({ data, name: 'a.bin' })
const xml = (text: string): Uint8Array => strToU8(`<?xml version="1.0" encoding="UTF-8"?>${text}`)

describe('a PowerPoint presentation', () => {
  it('gives each slide as a page, its title first, with lists, tables and notes', async () => {
    const { text, pages, headings, title, mediaType } = await parse(
      makePptx([
        {
          title: 'Tides',
          lines: [{ text: 'Twice a day' }, { text: 'Spring tides', bullet: true }, { text: 'at full moon', level: 1 }],
          notes: 'Say this slowly & clearly.',
        },
        {
          title: 'Heights',
          table: [
            ['Harbour', 'Height'],
            ['Brest', '7.2 m'],
            ['Calais', '7.3 m'],
          ],
        },
        { lines: [{ text: 'No title here' }] },
      ]),
    )
    expect(mediaType).toContain('presentationml')
    expect(text).toBe(
      [
        'Tides',
        'Twice a day',
        '- Spring tides\n  - at full moon',
        'Notes: Say this slowly & clearly.',
        'Heights',
        'Harbour | Height\nBrest | 7.2 m\nCalais | 7.3 m',
        'Slide 3',
        'No title here',
      ].join('\n\n'),
    )
    expect(title).toBe('Tides')
    expect(headings.map((heading) => heading.title)).toEqual(['Tides', 'Heights', 'Slide 3'])
    expect(headings.every(({ start, title }) => text.startsWith(title, start))).toBe(true)
    expect(pages.map(({ span: [start, end] }) => text.slice(start, end).trim().split('\n')[0])).toEqual([
      'Tides',
      'Heights',
      'Slide 3',
    ])
    expect(pages.at(-1)?.span[1]).toBe(text.length)
  })

  it('reads what newer programs show once, not also its form for older ones', async () => {
    const shape = (text: string): string => `<p:sp><p:txBody><a:p><a:r><a:t>${text}</a:t></a:r></a:p></p:txBody></p:sp>`
    const shapes = `<mc:AlternateContent><mc:Choice>${shape('new')}</mc:Choice><mc:Fallback>${shape('old')}</mc:Fallback></mc:AlternateContent>`
    const { text } = await parse(makePptx([{ title: 'Forms', shapes }]))
    expect(text).toBe('Forms\n\nnew')
  })

  it('fails without a list of slides', async () => {
    const broken = makePptx([], { 'ppt/presentation.xml': xml('<p:presentation/>') })
    await expect(parse(broken)).rejects.toMatchObject({ code: 'document-empty' })
  })
})

describe('an Excel workbook', () => {
  it('gives sheets as headings and numbers as their cells show them', async () => {
    const { text, headings } = await parse(
      makeXlsx([
        {
          name: 'Costs & more',
          rows: [
            ['Costs of 2026'],
            ['Item', 'Bought', 'Price', 'Share'],
            ['Lamp', { number: 46_000, style: 1 }, { number: 1234.5, style: 3 }, { number: 0.256, style: 2 }],
            ['Chair', { number: 46_001.5, style: 4 }, { number: 0.1 + 0.2, style: 0 }],
            [],
            ['Sum', undefined, { xml: '<c r="C6"><f>SUM(C3:C4)</f><v>1234.8</v></c>' }],
          ],
        },
        { name: 'Empty', rows: [] },
        { name: 'Hidden', hidden: true, rows: [['secret']] },
        {
          name: 'Kinds',
          rows: [
            [
              { xml: '<c r="A1" t="b"><v>1</v></c>' },
              { xml: '<c t="inlineStr"><is><t>in line</t></is></c>' },
              { xml: '<c t="e"><v>#DIV/0!</v></c>' },
              { xml: '<c t="str"><f>A1</f><v>a result</v></c>' },
            ],
          ],
        },
      ]),
    )
    expect(text).toBe(
      [
        'Costs & more',
        'Costs of 2026',
        'Item | Bought | Price | Share\nLamp | 2025-12-09 | 1,234.50 € | 25.6%\nChair | 2025-12-10 12:00 | 0.3\nSum |  | 1234.8',
        'Kinds',
        'TRUE | in line | #DIV/0! | a result',
      ].join('\n\n'),
    )
    expect(headings.map(({ title }) => title)).toEqual(['Costs & more', 'Kinds'])
  })

  it('gives tables side by side one after the other, and a remark in its row', async () => {
    const { text } = await parse(
      makeXlsx([
        {
          name: 'Two',
          rows: [
            ['Name', 'Town', undefined, 'Item', 'Price'],
            ['Ada', 'London', undefined, 'Lamp', { number: 7, style: 0 }],
            ['Grace', 'New York', undefined, 'Chair', { number: 9, style: 0 }],
          ],
        },
        {
          name: 'Later',
          rows: [
            ['Name', 'Town'],
            ['Ada', 'London', undefined, undefined, 'check this'],
            ['Grace', 'New York', undefined, 'Item', 'Price'],
            ['Joan', 'Paris', undefined, 'Lamp', { number: 7, style: 0 }],
          ],
        },
      ]),
    )
    expect(text).toBe(
      [
        'Two',
        'Name | Town\nAda | London\nGrace | New York',
        'Item | Price\nLamp | 7\nChair | 9',
        'Later',
        'Name | Town\nAda | London |  |  | check this\nGrace | New York\nJoan | Paris',
        'Item | Price\nLamp | 7',
      ].join('\n\n'),
    )
  })

  it('counts the dates of old Macintosh workbooks from 1904', async () => {
    const { text } = await parse(makeXlsx([{ name: 'S', rows: [[{ number: 44_538, style: 1 }]] }], { is1904: true }))
    expect(text).toContain('2025-12-09')
  })

  it('writes the header again in a long table, so that a chunk of it makes sense', async () => {
    const rows = Array.from({ length: 400 }, (_, index) => [`Person ${index}`, `Street ${index}`, `Town ${index}`])
    const { text } = await parse(makeXlsx([{ name: 'People', rows: [['Name', 'Street', 'Town'], ...rows] }]))
    const blocks = text.split('\n\n').slice(1)
    expect(blocks.length).toBeGreaterThan(10)
    for (const block of blocks) {
      expect(block.startsWith('Name | Street | Town\n')).toBe(true)
      expect(block.length).toBeLessThan(1000)
    }
    for (const [name] of rows) expect(text).toContain(`\n${name} | `)
  })

  it('writes a row with cells far apart as a record', async () => {
    const far = '<c r="A1" t="str"><v>near</v></c><c r="XFD1" t="str"><v>far</v></c>'
    const { text } = await parse(makeXlsx([{ name: 'Wide', rows: [[{ xml: far }]] }]))
    expect(text).toBe('Wide\n\nnear | far')
  })
})

describe('an EPUB book', () => {
  const chapters = [
    { file: 'z.xhtml', body: '<p>The sea <a id="top"/>rises &amp; falls.</p>', label: 'Of the Sea' },
    { file: 'a b.xhtml', body: '<h1>Of the Moon</h1><h2>Full</h2><p>It pulls.</p>', label: 'Moon' },
  ]
  it.each([2, 3] as const)('of version %s gives its chapters in the order of reading', async (version) => {
    const { text, headings, title, language, mediaType } = await parse(makeEpub(chapters, { version }))
    expect(mediaType).toBe('application/epub+zip')
    expect(text).toBe('Of the Sea\n\nThe sea rises & falls.\n\nOf the Moon\n\nFull\n\nIt pulls.')
    expect(headings.map(({ level, title, start }) => [level, title, text.startsWith(title, start)])).toEqual([
      [1, 'Of the Sea', true],
      [1, 'Of the Moon', true],
      [2, 'Full', true],
    ])
    expect([title, language]).toEqual(['The Tide Book', 'en-GB'])
  })

  it('of a shop that protects it is named as such; hidden fonts are no protection', async () => {
    const encryption = (algorithm: string) => ({
      'META-INF/encryption.xml': xml(`<encryption><EncryptionMethod Algorithm="${algorithm}"/></encryption>`),
    })
    const locked = makeEpub(chapters, { extra: encryption('http://www.w3.org/2001/04/xmlenc#aes128-cbc') })
    await expect(parse(locked)).rejects.toMatchObject({ code: 'document-encrypted' })
    const open = makeEpub(chapters, { extra: encryption('http://www.idpf.org/2008/embedding') })
    expect((await parse(open)).text).toContain('It pulls.')
  })
})

describe('a Word document', () => {
  const WORD = 'xmlns:w="w"'
  const relationship = (id: string, type: string, target: string): string =>
    `<Relationship Id="${id}" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/${type}" Target="${target}"/>`
  const styles = xml(
    `<w:styles ${WORD}><w:style w:type="paragraph" w:styleId="Heading1"><w:name w:val="heading 1"/><w:pPr><w:numPr><w:numId w:val="5"/></w:numPr></w:pPr></w:style><w:style w:type="paragraph" w:styleId="Heading2"><w:name w:val="heading 2"/><w:basedOn w:val="Heading1"/></w:style></w:styles>`,
  )
  const numbering = xml(
    `<w:numbering ${WORD}><w:abstractNum w:abstractNumId="0"><w:lvl w:ilvl="0"><w:start w:val="1"/><w:numFmt w:val="upperRoman"/><w:lvlText w:val="Part %1"/></w:lvl><w:lvl w:ilvl="1"><w:start w:val="1"/><w:numFmt w:val="decimal"/><w:pStyle w:val="Heading2"/><w:isLgl/><w:lvlText w:val="%1.%2"/></w:lvl></w:abstractNum><w:num w:numId="5"><w:abstractNumId w:val="0"/></w:num></w:numbering>`,
  )
  const parts = (extra: string) => ({
    'word/styles.xml': styles,
    'word/numbering.xml': numbering,
    'word/_rels/document.xml.rels': xml(
      `<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">${relationship('a', 'styles', 'styles.xml')}${relationship('b', 'numbering', 'numbering.xml')}${extra}</Relationships>`,
    ),
  })

  it('has the numbers that Word makes for its headings', async () => {
    const body = [
      docxParagraph('Sea', 'Heading1'),
      docxParagraph('Waves', 'Heading2'),
      docxParagraph('Tides', 'Heading2'),
      docxParagraph('Moon', 'Heading1'),
      docxParagraph('Phases', 'Heading2'),
    ].join('<w:p/>')
    const { headings } = await parse(makeDocx(body, parts('')))
    expect(headings.map(({ title }) => title)).toEqual([
      'Part I Sea',
      '1.1 Waves',
      '1.2 Tides',
      'Part II Moon',
      '2.1 Phases',
    ])
  })

  it('has its comments with what they are about, and what its pages say at head and foot', async () => {
    const paragraph = (text: string): string => `<w:p><w:r><w:t>${text}</w:t></w:r></w:p>`
    const body =
      '<w:p><w:r><w:t xml:space="preserve">It is </w:t></w:r><w:commentRangeStart w:id="3"/><w:r><w:t>42 metres</w:t></w:r><w:commentRangeEnd w:id="3"/><w:r><w:commentReference w:id="3"/></w:r></w:p>'
    const { text } = await parse(
      makeDocx(body, {
        ...parts(
          relationship('c', 'comments', 'comments.xml') +
            relationship('h', 'header', 'header1.xml') +
            relationship('i', 'header', 'header2.xml') +
            relationship('f', 'footer', 'footer1.xml'),
        ),
        'word/comments.xml': xml(
          `<w:comments ${WORD}><w:comment w:id="3" w:author="Ada">${paragraph('Really?')}${paragraph('I doubt it.')}</w:comment></w:comments>`,
        ),
        'word/header1.xml': xml(`<w:hdr ${WORD}>${paragraph('Confidential')}</w:hdr>`),
        'word/header2.xml': xml(`<w:hdr ${WORD}>${paragraph('Confidential')}</w:hdr>`),
        'word/footer1.xml': xml(`<w:ftr ${WORD}>${paragraph('Page 3 of 7')}</w:ftr>`),
      }),
    )
    expect(text).toBe(
      'It is 42 metres\n\nComment by Ada on “42 metres”: Really? I doubt it.\n\nPage header: Confidential',
    )
  })
})

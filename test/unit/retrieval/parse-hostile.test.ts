import { strToU8, zipSync } from 'fflate'
import { describe, expect, it } from 'vitest'
import { parseLimits } from '../../../src/retrieval/parse/document.js'
import { type ParseInput, parseDocument } from '../../../src/retrieval/parse/parse.js'
import { docxParagraph, makeDocx, makeOle, makePdf } from '../../fixtures/documents/make-documents.js'
import { makeEpub, makePptx, makeXlsx } from '../../fixtures/documents/make-office.js'

const codeOf = (input: ParseInput): Promise<unknown> =>
  parseDocument(input).then(
    () => 'no error',
    (error) => error.code,
  )
const zeros = new Uint8Array(20_000_000)
/** A part that unpacks to far more than its archive weighs, with the XML that makes it plausible. */
const bombPart = (): Uint8Array => {
  const bytes = zeros.slice()
  bytes.set(strToU8('<a>'))
  return bytes
}

describe('a zip bomb', () => {
  it.each([
    ['DOCX', () => makeDocx('<w:p/>', { 'word/comments.xml': bombPart() })],
    ['XLSX', () => makeXlsx([{ name: 'S', rows: [['a']] }], { extra: { 'xl/worksheets/sheet1.xml': bombPart() } })],
    ['PPTX', () => makePptx([{ title: 'a' }], { 'ppt/slides/slide1.xml': bombPart() })],
    ['EPUB', () => makeEpub([{ file: 'a.xhtml', body: '<p>a</p>' }], { extra: { 'OEBPS/a.xhtml': bombPart() } })],
  ])('in %s is too large', async (_, make) => {
    const bomb = make()
    expect(bomb.length).toBeLessThan(200_000)
    expect(await codeOf({ data: bomb })).toBe('too-large')
  })

  it('of a text that a million cells share is too large', async () => {
    const cells = '<row><c t="s"><v>0</v></c></row>'.repeat(3000)
    const sheet = strToU8(`<worksheet><sheetData>${cells}</sheetData></worksheet>`)
    const bomb = makeXlsx([{ name: 'S', rows: [['x'.repeat(32_000)]] }], {
      extra: { 'xl/worksheets/sheet1.xml': sheet },
    })
    expect(await codeOf({ data: bomb })).toBe('too-large')
  })

  it('whose rows claim to be far down costs nothing', async () => {
    const sheet = strToU8(
      '<worksheet><sheetData><row r="1048576"><c r="XFD1048576" t="str"><v>end</v></c></row></sheetData></worksheet>',
    )
    const { text } = await parseDocument({
      data: makeXlsx([{ name: 'S', rows: [] }], { extra: { 'xl/worksheets/sheet1.xml': sheet } }),
    })
    expect(text).toBe('S\n\nend')
  })
})

describe('hostile XML', () => {
  const laughs = (root: string, open: string, close: string): Uint8Array => {
    const entities = Array.from({ length: 10 }, (_, index) => {
      const value = index === 0 ? 'lol' : `&l${index - 1};`.repeat(10)
      return `<!ENTITY l${index} "${value}">`
    })
    return strToU8(`<?xml version="1.0"?><!DOCTYPE ${root} [${entities.join('')}]>${open}&l9;${close}`)
  }
  const sheet = [
    '<worksheet><sheetData><row><c t="inlineStr"><is><t>',
    '</t></is></c></row></sheetData></worksheet>',
  ] as const
  const slide = ['<p:sld><p:sp><p:txBody><a:p><a:r><a:t>', '</a:t></a:r></a:p></p:txBody></p:sp></p:sld>'] as const
  const word = [
    '<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body><w:p><w:r><w:t>',
    '</w:t></w:r></w:p></w:body></w:document>',
  ] as const

  it.each([
    [
      'XLSX',
      () =>
        makeXlsx([{ name: 'S', rows: [['a']] }], {
          extra: { 'xl/worksheets/sheet1.xml': laughs('worksheet', ...sheet) },
        }),
    ],
    ['PPTX', () => makePptx([{ title: 'a' }], { 'ppt/slides/slide1.xml': laughs('p:sld', ...slide) })],
    ['DOCX', () => makeDocx('', { 'word/document.xml': laughs('w:document', ...word) })],
    [
      'EPUB',
      () =>
        makeEpub([{ file: 'a.xhtml', body: '' }], {
          extra: { 'OEBPS/a.xhtml': laughs('html', '<html><body><p>a ', '</p></body></html>') },
        }),
    ],
  ])('of entities within entities is not expanded in %s', async (_, make) => {
    const result = await parseDocument({ data: make() }).then(
      ({ text }) => text,
      (error) => error.code as string,
    )
    expect(result.length).toBeLessThan(2000)
    expect(result).not.toContain('lollol')
  })

  it.each([
    [
      'XLSX',
      () =>
        makeXlsx([{ name: 'S', rows: [['a']] }], {
          extra: { 'xl/worksheets/sheet1.xml': strToU8('<a>'.repeat(200_000)) },
        }),
    ],
    ['PPTX', () => makePptx([{ title: 'a' }], { 'ppt/slides/slide1.xml': strToU8('<a>'.repeat(200_000)) })],
    ['DOCX', () => makeDocx('<w:p>'.repeat(200_000))],
  ])('nested without end fails in %s', async (_, make) => {
    expect(await codeOf({ data: make() })).toBe('parse-failed')
  })

  it('nested without end in a chapter of a book is read as browsers do', async () => {
    const body = `${'<div>'.repeat(20_000)}deep`
    const { text } = await parseDocument({ data: makeEpub([{ file: 'a.xhtml', body }]) })
    expect(text).toBe('deep')
  })

  it('of styles based on each other ends', async () => {
    const styles = strToU8(
      '<w:styles xmlns:w="w"><w:style w:styleId="A"><w:basedOn w:val="B"/></w:style><w:style w:styleId="B"><w:basedOn w:val="A"/></w:style></w:styles>',
    )
    const { text } = await parseDocument({ data: makeDocx(docxParagraph('fine', 'A'), { 'word/styles.xml': styles }) })
    expect(text).toBe('fine')
  })
})

describe('large and odd files', () => {
  it('a table of 100 MB is refused with its limit', async () => {
    const line = 'a name,a town,2026-01-01,some words about it\n'
    const block = strToU8(line.repeat(1000))
    const data = new Uint8Array(100_000_000)
    for (let at = 0; at < data.length; at += block.length) data.set(block.subarray(0, data.length - at), at)
    await expect(parseDocument({ data, name: 'a.csv' })).rejects.toMatchObject({
      code: 'too-large',
      details: { limit: parseLimits.textCharacters },
    })
  }, 60_000)

  it('a table can be given up while it is read', async () => {
    const data = strToU8('name,town,note\nsomebody,somewhere,something\n'.repeat(300_000))
    const controller = new AbortController()
    const parsing = parseDocument({ data, name: 'a.csv' }, { signal: controller.signal })
    setTimeout(() => controller.abort(), 20)
    await expect(parsing).rejects.toMatchObject({ code: 'aborted' })
  })

  it('a quote that is never closed is named', async () => {
    const data = `a,b\n"${'1,2\n'.repeat(6_000_000)}`
    await expect(parseDocument({ data, name: 'a.csv' })).rejects.toMatchObject({ code: 'parse-failed' })
  }, 60_000)

  it('a PDF of 500 pages is read whole', async () => {
    const pages = Array.from({ length: 500 }, (_, page) => ({
      lines: Array.from({ length: 30 }, (_, line) => ({
        x: 60,
        y: 780 - line * 14,
        text: `Page ${page + 1}, line ${line}`,
      })),
    }))
    const document = await parseDocument({ data: makePdf(pages) })
    expect(document.pages).toHaveLength(500)
    expect(document.text).toContain('Page 500, line 29')
  }, 60_000)

  it.each([
    ['a.txt', (word: string) => strToU8(word)],
    ['a.csv', (word: string) => strToU8(word)],
    ['a.json', (word: string) => strToU8(`{"a":"${word}"}`)],
    ['a.md', (word: string) => strToU8(`# ${word}`)],
    ['a.html', (word: string) => strToU8(`<p>${word}`)],
    ['a.docx', (word: string) => makeDocx(docxParagraph(word))],
    ['a.xlsx', (word: string) => makeXlsx([{ name: 'S', rows: [[word]] }])],
    ['a.pptx', (word: string) => makePptx([{ lines: [{ text: word }] }])],
  ])('one endless word is read in %s', async (name, make) => {
    const word = 'endless'.repeat(300_000)
    const { text } = await parseDocument({ data: make(word), name })
    expect(text).toContain(word)
  })

  it.each(['a.pdf', 'a.docx', 'a.xlsx', 'a.pptx', 'a.epub', 'a.csv', 'a.json', 'a.html'])(
    'noise named %s',
    async (name) => {
      let state = 7
      const data = Uint8Array.from({ length: 50_000 }, () => {
        state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
        return state >>> 24
      })
      expect(await codeOf({ data, name })).toBe('document-unsupported')
    },
  )

  it('an extension that lies does not count', async () => {
    const kinds = await Promise.all([
      parseDocument({ data: makeXlsx([{ name: 'S', rows: [['a']] }]), name: 'a.docx' }),
      parseDocument({ data: makePptx([{ title: 'a' }]), name: 'a.pdf', mediaType: 'application/pdf' }),
      parseDocument({ data: strToU8('<!doctype html><p>a'), name: 'a.csv' }),
      parseDocument({ data: makePdf([{ lines: [{ x: 60, y: 700, text: 'a b c' }] }]), name: 'a.json' }),
    ])
    expect(kinds.map(({ mediaType }) => mediaType.replace(/^.*[./]/, ''))).toEqual([
      'sheet',
      'presentation',
      'html',
      'pdf',
    ])
  })

  it.each([
    ['an empty presentation', makePptx([])],
    ['an empty workbook', makeXlsx([{ name: 'S', rows: [] }])],
    ['an empty book', makeEpub([])],
    ['a book of pictures', makeEpub([{ file: 'a.xhtml', body: '<img src="a.png"/>' }])],
  ])('%s is empty', async (_, data) => {
    expect(await codeOf({ data })).toBe('document-empty')
  })

  it.each([
    ['document-encrypted', makeOle('EncryptionInfo', 'EncryptedPackage'), undefined],
    ['document-unsupported', makeOle('Workbook'), 'XLSX'],
    ['document-unsupported', makeOle('PowerPoint Document'), 'PPTX'],
    ['document-unsupported', strToU8('{\\rtf1\\ansi Hello}'), 'DOCX'],
    [
      'document-unsupported',
      zipSync({ 'xl/workbook.bin': new Uint8Array(9), '[Content_Types].xml': new Uint8Array(9) }),
      'XLSX',
    ],
  ])('gives %s, with what to do', async (code, data, hint) => {
    await expect(parseDocument({ data })).rejects.toMatchObject({
      code,
      ...(hint === undefined ? {} : { hint: expect.stringContaining(hint) }),
    })
  })

  it('JSON nested beyond reason fails', async () => {
    const data = `${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`
    expect(await codeOf({ data, name: 'a.json' })).toBe('parse-failed')
    expect(await codeOf({ data: '['.repeat(100_000), name: 'a.json' })).toBe('no error')
  })

  it('lone surrogates are replaced everywhere', async () => {
    const lone = '\ud800'
    for (const [name, data] of [
      ['a.txt', `a${lone}b`],
      ['a.csv', `x,y\na,${lone}b\n`],
      ['a.html', `<p>a&#xd800;b`],
      ['a.json', `{"a":"${lone}b"}`],
      ['a.ipynb', '{"cells":[{"cell_type":"markdown","source":"a\\ud800b"}]}'],
      ['a.xlsx', makeXlsx([{ name: 'S', rows: [[{ xml: '<c t="str"><v>a&#xd800;b</v></c>' }]] }])],
    ] as const) {
      const { text } = await parseDocument({ data, name })
      expect(text.isWellFormed(), name).toBe(true)
    }
  })
})

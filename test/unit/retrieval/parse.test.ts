import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { recallOf } from '../../../bench/lib/text-recall.js'
import { parseLimits } from '../../../src/retrieval/parse/document.js'
import { type ParseInput, parseDocument } from '../../../src/retrieval/parse/parse.js'
import { makeDocx, makeOle, makePdf } from '../../fixtures/documents/make-documents.js'

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text)
const codeOf = (input: ParseInput): Promise<unknown> =>
  parseDocument(input).then(
    () => 'no error',
    (error) => error.code,
  )
const encode = (text: string, unitBytes: (unit: number) => number[]): Uint8Array =>
  Uint8Array.from([...text].flatMap((character) => unitBytes(character.charCodeAt(0))))

describe('the kind of a document', () => {
  it.each([
    ['application/pdf', { data: makePdf([{ lines: [{ x: 50, y: 700, text: 'Some text' }] }]), name: 'letter.txt' }],
    ['text/html', { data: '<!-- saved --> <!DOCTYPE html><p>Some text', name: 'page' }],
    ['text/html', { data: bytesOf('<p>Some text'), mediaType: 'text/html; charset=utf-8' }],
    ['text/html', { data: '<p>Some text', name: 'page.HTM' }],
    ['text/markdown', { data: '# Title\n\nSome *text* with [links](x).' }],
    ['text/markdown', { data: 'Some text', name: 'README.md' }],
    ['text/plain', { data: '# a comment\nrun=1\n', name: 'settings.conf' }],
    ['text/plain', { data: 'Text about %PDF-1.4 files and <html> pages.' }],
    ['text/plain', { data: '<b>Not</b> a page', name: 'a.txt' }],
    ['text/csv', { data: 'a,b\n1,2\n', name: 'table.csv' }],
    ['application/json', { data: '{"a": 1}', mediaType: 'application/json' }],
  ] satisfies [string, ParseInput][])('is %s', async (mediaType, input) => {
    expect((await parseDocument(input)).mediaType).toBe(mediaType)
  })

  it('is told by content, not by name', async () => {
    const body = '<w:p><w:r><w:t>Some text</w:t></w:r></w:p>'
    const document = await parseDocument({ data: makeDocx(body), name: 'a.pdf', mediaType: 'application/pdf' })
    expect(document.text).toBe('Some text')
  })
})

describe('a document that cannot be read', () => {
  const png = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 13)
  const cut = makeDocx('<w:p/>').slice(0, 200)
  const noise = Uint8Array.from({ length: 4000 }, (_, index) => (index * 7919) % 256)
  it.each([
    ['document-empty', 'an empty file', { data: new Uint8Array() }],
    ['document-empty', 'blank text', { data: ' \n\u200b\n' }],
    ['document-empty', 'a page without words', { data: '<html><script>let a = 1</script><img src=a></html>' }],
    ['document-empty', 'a PDF of pictures', { data: makePdf([{ lines: [] }, { lines: [] }]) }],
    ['document-empty', 'a Word document without text', { data: makeDocx('<w:p/>') }],
    ['document-encrypted', 'a PDF with a password', { data: makePdf([{ lines: [] }], { password: 'secret' }) }],
    ['document-encrypted', 'an Office file with a password', { data: makeOle('EncryptionInfo', 'EncryptedPackage') }],
    ['document-unsupported', 'an old Word file', { data: makeOle('Root Entry', 'WordDocument') }],
    ['document-unsupported', 'an old Excel file', { data: makeOle('Workbook') }],
    ['document-unsupported', 'a picture', { data: png, name: 'a.txt' }],
    ['document-unsupported', 'noise', { data: noise }],
    ['parse-failed', 'a PDF cut short', { data: bytesOf('%PDF-1.7\n1 0 obj\n<<') }],
    ['parse-failed', 'a zip archive cut short', { data: cut }],
    ['parse-failed', 'a Word document of broken XML', { data: makeDocx('<w:p><w:r></w:p>') }],
    ['too-large', 'too much text', { data: 'a '.repeat(parseLimits.textCharacters / 2 + 1) }],
  ] satisfies [string, string, ParseInput][])('gives %s for %s', async (code, _, input) => {
    expect(await codeOf(input)).toBe(code)
  })

  it('says of a scan that it needs text recognition', async () => {
    await expect(parseDocument({ data: makePdf([{ lines: [] }]) })).rejects.toMatchObject({
      hint: expect.stringContaining('OCR'),
    })
  })

  it('refuses a zip bomb by what its directory says, and by what it really unpacks to', async () => {
    const bomb = makeDocx('<w:p/>', { 'word/comments.xml': new Uint8Array(20_000_000) })
    expect(await codeOf({ data: bomb })).toBe('too-large')
    const liar = bomb.slice()
    const view = new DataView(liar.buffer)
    for (let offset = 0; offset + 4 < liar.length; offset++) {
      if (view.getUint32(offset, true) === 20_000_000) view.setUint32(offset, 1000, true)
    }
    expect(await codeOf({ data: liar })).toBe('too-large')
  })

  it('stops at an abort', async () => {
    const controller = new AbortController()
    controller.abort()
    await expect(parseDocument({ data: 'text' }, { signal: controller.signal })).rejects.toMatchObject({
      code: 'aborted',
    })
    const pages = Array.from({ length: 300 }, () => ({ lines: [{ x: 50, y: 700, text: 'Some text on a page' }] }))
    const later = new AbortController()
    const run = parseDocument({ data: makePdf(pages) }, { signal: later.signal })
    setTimeout(() => later.abort(), 30)
    await expect(run).rejects.toMatchObject({ code: 'aborted' })
  })

  it('leaves the bytes that it was given as they were', async () => {
    const data = makePdf([{ lines: [{ x: 50, y: 700, text: 'Some text' }] }])
    const copy = data.slice()
    await parseDocument({ data })
    expect(data).toEqual(copy)
  })
})

describe('plain text', () => {
  const russian = 'Съешь же ещё этих мягких французских булок, да выпей чаю. Он долго шёл по улице. '
  const cp1251 = (character: string): number[] => {
    const code = character.charCodeAt(0)
    if (code === 0x451) return [0xb8]
    return [code >= 0x410 && code <= 0x44f ? code - 0x350 : code]
  }
  const little = (text: string): Uint8Array => encode(text, (unit) => [unit & 255, unit >> 8])
  const big = (text: string): Uint8Array => encode(text, (unit) => [unit >> 8, unit & 255])
  it.each([
    ['utf-8', 'Größe, naïve, 你好', bytesOf('Größe, naïve, 你好')],
    ['utf-8', 'with a mark', bytesOf('\ufeffwith a mark')],
    ['utf-16le', 'Größe 你好', Uint8Array.from([0xff, 0xfe, ...little('Größe 你好')])],
    ['utf-16be', 'Größe 你好', Uint8Array.from([0xfe, 0xff, ...big('Größe 你好')])],
    ['utf-16le', 'plain English text', little('plain English text')],
    ['utf-16be', 'plain English text', big('plain English text')],
    ['windows-1252', 'Größe – “naïve” café', encode('Gr\xf6\xdfe \x96 \x93na\xefve\x94 caf\xe9', (unit) => [unit])],
    ['windows-1251', russian, Uint8Array.from([...russian].flatMap(cp1251))],
  ])('is read as %s', async (encoding, text, data) => {
    expect(await parseDocument({ data })).toMatchObject({ text, encoding })
  })

  // Bytes made with an encoder of each encoding: `你好，世界。这是一个测试，我们的生活很好。` and the like.
  it.each([
    ['gb18030', '你好，世界。这是一个测试', 'c4e3bac3a3accac0bde7a1a3d5e2cac7d2bbb8f6b2e2cad4'],
    ['big5', '你好，世界。這是一個測試', 'a741a66ea141a540ac c9a143b36fac4fa440add3b4fab8d5'],
    ['shift_jis', 'これは日本語のテストです', '82b182ea82cd93fa967b8cea82cc83658358836782c582b7'],
    ['euc-jp', 'これは日本語のテストです', 'a4b3a4eca4cfc6fccbdcb8eca4cea5c6a5b9a5c8a4c7a4b9'],
    ['euc-kr', '이것은 한국어 시험입니다', 'c0ccb0cdc0ba20c7d1b1b9beee20bdc3c7e8c0d4b4cfb4d9'],
  ])('in %s is told from its characters', async (encoding, text, hex) => {
    const data = Uint8Array.from(hex.replace(/ /g, '').match(/../g) ?? [], (byte) => Number.parseInt(byte, 16))
    expect(await parseDocument({ data })).toMatchObject({ text, encoding })
  })

  it('heeds a declared charset where the bytes allow it', async () => {
    const data = Uint8Array.of(0xe1, 0xe2, 0xe3, 0x20, 0xe4)
    expect(await parseDocument({ data, mediaType: 'text/plain; charset=iso-8859-7' })).toMatchObject({ text: 'αβγ δ' })
    const html = Uint8Array.from([...bytesOf('<html><meta charset="iso-8859-2"><p>'), 0xb1, 0xe6, 0xea])
    expect(await parseDocument({ data: html })).toMatchObject({ text: 'ąćę', encoding: 'iso-8859-2' })
  })

  it('keeps a given string as it is, but for half characters, and makes line ends of files one kind', async () => {
    expect((await parseDocument({ data: 'a\r\nb \ud800 c' })).text).toBe('a\r\nb \ufffd c')
    expect((await parseDocument({ data: bytesOf('a\r\nb\rc') })).text).toBe('a\nb\nc')
  })

  it('of 100 MB is refused without being held several times over, and of 20 million characters is read', async () => {
    const data = new Uint8Array(100_000_000).fill(0x61)
    expect(await codeOf({ data })).toBe('too-large')
    const { text } = await parseDocument({ data: data.subarray(0, 20_000_000) })
    expect(text).toHaveLength(20_000_000)
  })
})

const documents = process.env.ALCOVE_DATA_DIR && join(process.env.ALCOVE_DATA_DIR, 'documents')
describe.skipIf(!documents || !existsSync(documents))('real documents (needs ALCOVE_DATA_DIR)', () => {
  const read = (name: string): Uint8Array => new Uint8Array(readFileSync(join(documents ?? '', name)))
  it.each([
    ['docling/2305.03393v1-pg9.pdf', 'docling/2305.03393v1-pg9.md', 0.95],
    ['docling/code_and_formula.pdf', 'docling/code_and_formula.md', 0.95],
    ['markitdown/REPAIR-2022-INV-001_multipage.pdf', 'markitdown/REPAIR-2022-INV-001_multipage.md', 0.95],
    [
      'markitdown/RECEIPT-2024-TXN-98765_retail_purchase.pdf',
      'markitdown/RECEIPT-2024-TXN-98765_retail_purchase.md',
      0.95,
    ],
    ['markitdown/test.pdf', 'markitdown/test.md', 0.95],
    ['docling/lorem_ipsum.docx', 'docling/lorem_ipsum.docx.md', 0.99],
    ['docling/unit_test_headers.docx', 'docling/unit_test_headers.docx.md', 0.99],
  ])('%s has the words of its ground truth', async (name, truth, least) => {
    const { text } = await parseDocument({ data: read(name), name })
    const { words, order } = recallOf(new TextDecoder().decode(read(truth)), text)
    expect(words).toBeGreaterThanOrEqual(least)
    expect(order).toBeGreaterThanOrEqual(0.9)
  })

  it.each([
    ['docling/test-01.xlsx', 'first | second | third\n1 | 5 | 9'],
    ['docling/powerpoint_with_image.pptx', 'Image test'],
    ['docling/csv-tab.csv', '1 | DD37Cf93aecA6Dc | Sheryl | Baxter | Rasmussen Group'],
    ['docling/unit_test_headers_numbered.docx', '1.2.1. Section 1.2.3'],
    ['mammoth.js/comments.docx', 'Comment by Michael Williamson on “Ouch”: A tachyon walks into a bar.'],
    ['markitdown/test_notebook.ipynb', '```python\nprint("markitdown")\n```'],
  ])('%s has what it says', async (name, passage) => {
    expect((await parseDocument({ data: read(name), name })).text).toContain(passage)
  })

  it('reads the two columns of a paper one after the other', async () => {
    const { text, headings, pages } = await parseDocument({ data: read('pdf.js/tracemonkey.pdf') })
    const order = [
      'Dynamic languages such as JavaScript are more difficult',
      'and is used for the application logic of browser-based',
      'Compilers for statically typed languages rely on',
      'Hence, recording and compiling a trace speculates',
      'This paper makes the following contributions:',
      'Figure 1. Sample program: sieve of Eratosthenes',
      'Trace optimization for dynamic languages. The closest area',
    ].map((passage) => text.indexOf(passage))
    expect(order).not.toContain(-1)
    expect(order).toEqual([...order].sort((a, b) => a - b))
    expect(pages).toHaveLength(14)
    expect(headings.map(({ title }) => title)).toEqual(
      expect.arrayContaining(['Abstract', '1. Introduction', '3.2 Trace Trees', '8. Related Work', 'References']),
    )
  })

  it('keeps Arabic in logical order and letters whole', async () => {
    const { text } = await parseDocument({ data: read('pdf.js/ArabicCIDTrueType.pdf') })
    expect(text).toContain('انواع الخطوط العربية')
  })

  it('reads rotated pages', async () => {
    const { text } = await parseDocument({ data: read('pdf.js/rotation.pdf') })
    expect(text).toContain('This is my second page. It will have a landscape layout.')
  })

  it('reads the article of a web page and not what is around it', async () => {
    const blog = await parseDocument({ data: read('markitdown/test_blog.html') })
    expect(blog.text).toMatch(/^Does Model and Inference Parameter Matter/)
    expect(blog.text).not.toMatch(/Skip to main content|Copyright ©|Recent posts/i)
    const wiki = await parseDocument({ data: read('markitdown/test_wikipedia.html') })
    expect(wiki.text).toContain('Microsoft was founded by Bill Gates and Paul Allen')
    expect(wiki.text).not.toMatch(/Afrikaans\n|\[edit\]/)
    expect(wiki.headings.map(({ title }) => title)).toContain('1972–1985: Founding')
  })

  it.each([
    ['markitdown/test.xls', 'document-unsupported'],
    ['pdf.js/ThuluthFeatures.pdf', 'document-unsupported'],
    ['pdf.js/empty.pdf', 'document-empty'],
  ])('%s gives %s', async (name, code) => {
    expect(await codeOf({ data: read(name), name })).toBe(code)
  })
})

import { describe, expect, it } from 'vitest'
import { findMarkdownHeadings } from '../../../src/retrieval/parse/markdown.js'
import { parseDocument } from '../../../src/retrieval/parse/parse.js'
import { docxParagraph, docxTable, makeDocx } from '../../fixtures/documents/make-documents.js'

const html = (body: string) =>
  parseDocument({ data: `<!doctype html><html lang=en><title>The title</title><body>${body}` })

describe('a web page', () => {
  it('gives paragraphs, lists, tables and code as they read', async () => {
    const { text, title, language, headings } = await html(`
      <h1>Top <em>heading</em></h1><p>One   paragraph with a<br>break and soft&shy;ness.</p>
      <ul><li>One<ul><li>Nested</li></ul></li><li><p>Two</p></li></ul>
      <ol start=3><li>Three</li><li>Four</li></ol>
      <table><tr><th>Name</th><th>Size</th></tr><tr><td>A</td><td><p>1</p><p>2</p></td></tr></table>
      <h2>Code</h2><pre>if (a) {
  b()
}</pre>`)
    expect(text).toBe(
      'Top heading\n\nOne paragraph with a\nbreak and softness.\n\n- One\n  - Nested\n- Two\n\n3. Three\n4. Four\n\n' +
        'Name | Size\nA | 1 2\n\nCode\n\nif (a) {\n  b()\n}',
    )
    expect({ title, language }).toEqual({ title: 'The title', language: 'en' })
    expect(headings).toEqual([
      { level: 1, title: 'Top heading', start: 0 },
      { level: 2, title: 'Code', start: text.indexOf('Code') },
    ])
  })

  it('is read without navigation, scripts, hidden parts and link menus', async () => {
    const words = 'The words of the article that a reader came for. '.repeat(5)
    const { text } = await html(`
      <header>Site name</header><nav><a href=/>Home</a></nav><div class="menu"><a href=a>One</a> <a href=b>Two</a></div>
      <main><header><h1>Article</h1></header><p>${words}</p><script>alert(1)</script><style>p {}</style>
      <p hidden>Hidden</p><p style="display: none">Not shown</p><noscript>Turn on scripts</noscript>
      <div class="related links"><a href=c>Other article</a></div><svg><text>Drawn</text></svg></main>
      <footer>Imprint</footer>`)
    expect(text).toBe(`Article\n\n${words.trim()}`)
  })

  it('is read whole where nothing would be left', async () => {
    expect(
      (await html('<nav><p>All of the words of this page are in its navigation element.</p></nav>')).text,
    ).toContain('All of the words')
    const layout =
      '<table><tr><td><table><tr><td>Left</td></tr></table></td><td><h2>Title</h2><p>Text</p></td></tr></table>'
    expect((await html(layout)).text).toBe('Left\n\nTitle\n\nText')
  })

  it('may nest without end', async () => {
    const { text } = await html(`${'<div>'.repeat(50_000)}deep${'<b>'.repeat(100)}er`)
    expect(text).toBe('deeper')
  })
})

describe('a Word document', () => {
  it('gives headings, lists and tables', async () => {
    const body = [
      docxParagraph('The Report', 'Heading1'),
      docxParagraph('Words & <signs>.'),
      docxParagraph('Details', 'Heading2'),
      docxParagraph('one', undefined, { id: 1, level: 0 }),
      docxParagraph('one and a half', undefined, { id: 1, level: 1 }),
      docxParagraph('first', undefined, { id: 2, level: 0 }),
      docxTable([
        ['Name', 'Size'],
        ['A', '1'],
      ]),
    ].join('')
    const { text, headings, title } = await parseDocument({ data: makeDocx(body) })
    expect(text).toBe(
      'The Report\n\nWords & <signs>.\n\nDetails\n\n- one\n  - one and a half\n\n1. first\n\nName | Size\nA | 1',
    )
    expect(headings.map(({ level, title: own }) => [level, own])).toEqual([
      [1, 'The Report'],
      [2, 'Details'],
    ])
    expect(title).toBe('The Report')
  })

  it('never unpacks what holds no text', async () => {
    // A picture of 30 MB of zeros would be over the ratio limit, if it were unpacked.
    const data = makeDocx(docxParagraph('Text'), { 'word/media/image1.png': new Uint8Array(30_000_000) })
    expect((await parseDocument({ data })).text).toBe('Text')
  })
})

describe('Markdown', () => {
  const titles = (text: string): string[] => findMarkdownHeadings(text).map(({ level, title }) => `${level} ${title}`)

  it('keeps its source and finds its headings', async () => {
    const source =
      '---\ntitle: "From the front"\n---\n\n# One\n\ntext\n\nTwo *of* them\n---\n\n### `Three` [link](x) ###\n'
    const document = await parseDocument({ data: source, name: 'a.md' })
    expect(document).toMatchObject({ text: source, title: 'From the front', mediaType: 'text/markdown' })
    expect(document.headings).toEqual([
      { level: 1, title: 'One', start: source.indexOf('# One') },
      { level: 2, title: 'Two of them', start: source.indexOf('Two') },
      { level: 3, title: 'Three link', start: source.indexOf('###') },
    ])
  })

  it.each([
    ['code in fences', '```sh\n# no\n```\n# yes', ['1 yes']],
    ['longer fences', '````\n```\n# no\n````\n~~~\n# no\n', []],
    ['indented code', '    # no\n', []],
    ['words with a mark', '#no\n#', []],
    ['rules and lists', 'text\n\n---\n\n- item\n---\n', []],
    ['a table', '| a |\n|---|\n| b |\n', []],
    ['seven marks', '####### no', []],
    ['line ends of Windows', '# One\r\ntext\r\nTwo\r\n===\r\n', ['1 One', '1 text Two']],
    ['escapes and anchors', '# a \\* b {#anchor}', ['1 a * b']],
  ])('takes %s for what they are', (_, text, expected) => {
    expect(titles(text)).toEqual(expected)
  })

  it('stays linear on hostile text', () => {
    expect(titles(`# ${'*'.repeat(100_000)}`)).toHaveLength(1)
    expect(titles(`${'['.repeat(100_000)}\n===`)).toHaveLength(1)
    expect(titles('text\n'.repeat(200_000))).toEqual([])
  })
})

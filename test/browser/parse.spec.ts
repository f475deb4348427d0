import { expect, realPdf, test } from './setup.js'

const FIXTURES = '/fixtures/documents/'

test.describe('parsing in workers', () => {
  test('each kind of file gives its text, and each bad one its code', async ({ blank }) => {
    const names = [
      'notes.md',
      'article.html',
      'chinese.pdf',
      'gb18030.txt',
      'report.docx',
      'two-columns.pdf',
      'encrypted.docx',
      'encrypted.pdf',
      'scanned.pdf',
      'slides.pptx',
      'costs.xlsx',
      'book.epub',
      'people.csv',
      'tower.json',
    ]
    const reports = await blank.evaluate(
      async (urls) => (await import('/pages/parse.js')).parseUrls(urls, 2, true),
      names.map((name) => `${FIXTURES}${name}`),
    )
    const byName = Object.fromEntries(reports.map(({ ms: _, ...report }) => [report.name, report]))
    expect(byName).toMatchObject({
      'notes.md': { mediaType: 'text/markdown', headings: 2, pages: 0 },
      'article.html': {
        mediaType: 'text/html',
        title: 'The tower',
        text: 'The tower\n\nIt was built in 1912 and is 42 metres high.',
      },
      'chinese.pdf': { mediaType: 'application/pdf', pages: 1, text: '中文文档的第一行文字很长第二行接着写下去。' },
      'gb18030.txt': { mediaType: 'text/plain', text: '你好，世界。这是一个测试' },
      'report.docx': { title: 'The Report', headings: 2, text: expect.stringContaining('the tower is 42 metres high') },
      'two-columns.pdf': { pages: 2, headings: 2, title: 'Two columns' },
      'encrypted.docx': { code: 'document-encrypted' },
      'encrypted.pdf': { code: 'document-encrypted' },
      'scanned.pdf': { code: 'document-empty' },
      'slides.pptx': {
        title: 'The Tower',
        pages: 2,
        headings: 2,
        text: 'The Tower\n\nBuilt in 1912\n\n- 42 metres\n\nNotes: Mention the lift.\n\nVisits\n\nDay | Hours\nMonday | 10 to 16\nSunday | closed',
      },
      'costs.xlsx': {
        headings: 1,
        text: 'Costs\n\nItem | Bought | Price\nLamp | 2025-12-09 | 1,234.50 €\nChair | 2025-12-10 | 99.00 €',
      },
      'book.epub': {
        title: 'The Tide Book',
        language: 'en-GB',
        text: 'Of the Sea\n\nIt rises & falls.\n\nOf the Moon\n\nIt pulls.',
      },
      'people.csv': { mediaType: 'text/csv', text: 'Name | Town\nAda | London; UK\nGrace | New York' },
      'tower.json': {
        mediaType: 'application/json',
        text: 'name: Tower\n\nsize\n\nsize.height: 42\n\nvisits\n\nday | hours\nMonday | 6\nSunday | 0',
      },
    })
    const columns = byName['two-columns.pdf']?.text ?? ''
    expect(columns.indexOf('First left column, line 14'), 'one column after the other').toBeGreaterThan(0)
    expect(columns.indexOf('First left column, line 14')).toBeLessThan(columns.indexOf('First right column, line 1:'))
  })

  test('a real paper', async ({ blank }) => {
    test.skip(!realPdf, 'needs the real documents')
    const [report] = await blank.evaluate(
      async (url) => (await import('/pages/parse.js')).parseUrls([url], 1, true),
      realPdf as string,
    )
    expect(report).toMatchObject({ mediaType: 'application/pdf', pages: 14 })
    expect(report?.text).toContain('Trace-based Just-in-Time Type Specialization')
    expect(report?.headings).toBeGreaterThan(5)
  })

  test('a worker of a worker parses as well', async ({ blank }) => {
    const result = await blank.evaluate(
      async (url) => (await import('/pages/parse.js')).parseNested(url),
      `${FIXTURES}two-columns.pdf`,
    )
    expect(result).toEqual({ start: expect.stringContaining('First Page Across Both Columns'), pages: 2 })
  })

  test('a document that ends, blocks or never answers its worker fails alone', async ({ blank }) => {
    const result = await blank.evaluate(async () => (await import('/pages/parse.js')).survive())
    const where = 'window false, DOMParser false'
    expect(result).toMatchObject({
      crash: 'parse-failed',
      hang: 'timeout',
      fine: `fine; ${where}`,
      abort: 'aborted',
      again: ['a', 'b', 'c', 'd', 'e'].map((text) => `${text}; ${where}`).join(' | '),
      closed: expect.stringMatching(/^closed /),
    })
  })

  test('a long text is cut into chunks', async ({ blank }) => {
    const result = await blank.evaluate(async () => {
      const { chunkUrl } = await import('/pages/parse.js')
      const url = URL.createObjectURL(new Blob(['The tide comes in twice a day, and goes out again. '.repeat(10_000)]))
      return chunkUrl(url)
    })
    // 510,000 characters at four a token, and 256 tokens a chunk.
    expect(result.chunks).toBeGreaterThan(498)
    expect(result.chunks).toBeLessThan(1000)
  })
})

import { describe, expect, it } from 'vitest'
import { parseDocument } from '../../../src/retrieval/parse/parse.js'

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text)

describe('a table of separated values', () => {
  it.each([
    ['commas', 'Name,City\nAda,"London, UK"\nGrace,New York\n'],
    ['semicolons', 'Name;City\nAda;London, UK\nGrace;New York'],
    ['tabs', 'Name\tCity\nAda\tLondon, UK\nGrace\tNew York'],
    ['bars, and lines of Windows', 'Name|City\r\nAda|London, UK\r\nGrace|New York\r\n'],
    ['what its first line names', 'sep=^\nName^City\nAda^London, UK\nGrace^New York'],
  ])('is read with %s between them', async (_, source) => {
    const { text, mediaType } = await parseDocument({ data: bytesOf(source), name: 'a.csv' })
    expect(text).toBe('Name | City\nAda | London, UK\nGrace | New York')
    expect(mediaType).toBe('text/csv')
  })

  it('is told by its content where no name says so', async () => {
    const source = `when,what,who\n${'2026-01-01,inspection,Ada\n'.repeat(6)}`
    expect((await parseDocument({ data: bytesOf(source) })).mediaType).toBe('text/csv')
    // Text that a caller has in hand stays as it is.
    expect((await parseDocument({ data: source })).text).toBe(source)
    const prose = 'One, two, three.\nFour, five, six.\nSeven, eight.\nNine, ten, eleven.\nTwelve, and so on, and on.\n'
    expect((await parseDocument({ data: bytesOf(prose) })).text).toBe(prose)
  })

  it('keeps quoted line ends, odd rows and lines above the table', async () => {
    const source = 'Inspections\nItem,Result,Note\nLift,"fine\nmostly",a,b\nLadder\n'
    const { text } = await parseDocument({ data: source, name: 'a.csv' })
    expect(text).toBe('Inspections\n\nItem | Result | Note\nLift | fine mostly | a | b\nLadder')
  })

  it('has no header where the first row is data', async () => {
    const { text } = await parseDocument({ data: '1,2\n3,4\n', name: 'a.csv' })
    expect(text).toBe('1 | 2\n3 | 4')
  })

  it('writes the header again, and long rows as records', async () => {
    const rows = Array.from({ length: 20_000 }, (_, index) => `person ${index},town ${index % 7}`)
    const { text } = await parseDocument({ data: bytesOf(`name,town\n${rows.join('\n')}`), name: 'a.csv' })
    const lines = text.split('\n').filter((line) => line !== '' && line !== 'name | town')
    expect(lines).toEqual(rows.map((row) => row.replace(',', ' | ')))
    expect(text.split('\n\n').every((block) => block.startsWith('name | town\n'))).toBe(true)
    const long = await parseDocument({ data: `name,story\nAda,${'word '.repeat(200)}\n`, name: 'a.csv' })
    expect(long.text).toBe(`name: Ada\nstory: ${'word '.repeat(200).trim()}`)
  })

  it('keeps a file of one column as text', async () => {
    expect((await parseDocument({ data: 'one\ntwo\n', name: 'a.csv' })).text).toBe('one\ntwo\n')
  })
})

describe('JSON', () => {
  const parseJson = async (value: unknown) =>
    (await parseDocument({ data: bytesOf(JSON.stringify(value)), name: 'a.json' })).text

  it('is lines of paths and values, outer keys as headings', async () => {
    const value = { name: 'Tower', size: { height: 42, 'in use': true, tags: ['old', 'red'] }, none: null }
    const document = await parseDocument({ data: bytesOf(JSON.stringify(value)), name: 'a.json' })
    expect(document.text).toBe('name: Tower\n\nsize\n\nsize.height: 42\nsize["in use"]: true\nsize.tags: old, red')
    expect(document).toMatchObject({ title: 'Tower', headings: [{ level: 1, title: 'size', start: 13 }] })
  })

  it('has flat records as tables, and others one after the other', async () => {
    expect(
      await parseJson([
        { a: 1, b: 'x' },
        { a: 2, c: ['y', 'z'] },
      ]),
    ).toBe('a | b | c\n1 | x\n2 |  | y, z')
    expect(await parseJson([{ a: { b: 1 } }, { a: { b: 2 } }])).toBe('[0].a.b: 1\n\n[1].a.b: 2')
  })

  it('of several lines is a list', async () => {
    const data = bytesOf('{"a":1,"b":2}\n{"a":3,"b":4}\n')
    expect((await parseDocument({ data, name: 'a.jsonl' })).text).toBe('a | b\n1 | 2\n3 | 4')
  })

  it('that is none stays as it is, and lone surrogates are replaced', async () => {
    expect((await parseDocument({ data: '{ not json', name: 'a.json' })).text).toBe('{ not json')
    expect((await parseDocument({ data: '{"a":"x\\ud800y"}', name: 'a.json' })).text).toBe('a: x\ufffdy')
  })

  it('is told by content in a file of any name that text may have', async () => {
    const { mediaType, text } = await parseDocument({ data: bytesOf('{"a": {"b": 1}}'), name: 'a.txt' })
    expect([mediaType, text]).toEqual(['application/json', 'a\n\na.b: 1'])
  })

  it('of a million values is read without recursion', async () => {
    const text = await parseJson(Array.from({ length: 1_000_000 }, (_, index) => index))
    expect(text.startsWith('[0–19]: 0, 1, 2,')).toBe(true)
    expect(text.endsWith(', 999998, 999999')).toBe(true)
  })
})

describe('a notebook', () => {
  it('is its text and code, without results', async () => {
    const notebook = {
      metadata: { kernelspec: { language: 'python' } },
      cells: [
        { cell_type: 'markdown', source: ['# Tides\n', 'They rise.'] },
        { cell_type: 'code', source: 'print("```")', outputs: [{ data: { 'image/png': 'AAAA' } }] },
      ],
    }
    const document = await parseDocument({ data: bytesOf(JSON.stringify(notebook)), name: 'a.ipynb' })
    expect(document.text).toBe('# Tides\nThey rise.\n\n````python\nprint("```")\n````')
    expect(document).toMatchObject({ title: 'Tides', headings: [{ title: 'Tides', start: 0 }] })
  })
})

describe('text in any encoding', () => {
  const russian = 'Прилив поднимает воду дважды в день, и дважды она уходит обратно в море.'
  const utf16 = (text: string, isLittle: boolean): Uint8Array => {
    const view = new DataView(new ArrayBuffer(text.length * 2))
    for (let index = 0; index < text.length; index++) view.setUint16(index * 2, text.charCodeAt(index), isLittle)
    return new Uint8Array(view.buffer)
  }
  /** Bytes of a text in an encoding, by looking for each character among all that two bytes stand for. */
  const encodeAs = (encoding: string, text: string): Uint8Array => {
    const decoder = new TextDecoder(encoding)
    const bytes = new Map<string, readonly number[]>()
    for (let one = 0; one < 256; one++) {
      bytes.set(decoder.decode(Uint8Array.of(one)), [one])
      for (let two = 0x40; one > 0x80 && two < 0xff; two++) {
        const character = decoder.decode(Uint8Array.of(one, two))
        if (character.length === 1 && !bytes.has(character)) bytes.set(character, [one, two])
      }
    }
    return Uint8Array.from([...text].flatMap((character) => bytes.get(character) ?? [0x3f]))
  }
  it.each([
    ['utf-16le', `\ufeff${russian}`],
    ['utf-16be', `\ufeff${russian}`],
  ])('%s', async (encoding, source) => {
    const document = await parseDocument({ data: utf16(source, encoding === 'utf-16le'), name: 'a.txt' })
    expect(document).toMatchObject({ encoding, text: russian })
  })
  it.each([
    ['gb18030', '潮水每天涨落两次，这是因为月亮和太阳的引力作用在海洋上面，我们可以看到海面的变化。'],
    ['big5', '潮水每天漲落兩次，這是因為月亮和太陽的引力作用在海洋上面，我們可以看到海面的變化。'],
    ['shift_jis', '潮は一日に二回満ちたり引いたりします。これは月と太陽の引力によるものです。'],
    ['euc-jp', '潮は一日に二回満ちたり引いたりします。これは月と太陽の引力によるものです。'],
    ['euc-kr', '조수는 하루에 두 번 오르내리며 이것은 달과 태양의 인력 때문에 일어나는 것이다.'],
    ['windows-1251', russian],
    ['koi8-r', russian],
    ['windows-1252', 'Die Flut steigt täglich zweimal, größer als man glaubt, à côté du café, señor.'],
  ])('%s', async (encoding, source) => {
    const document = await parseDocument({ data: encodeAs(encoding, source), name: 'a.txt' })
    expect(document).toMatchObject({ encoding, text: source })
  })
  it('in a table of separated values', async () => {
    const data = encodeAs('gb18030', '姓名,城市\n王小明,北京的中心\n李大海,上海的南面\n')
    expect((await parseDocument({ data, name: 'a.csv' })).text).toBe(
      '姓名 | 城市\n王小明 | 北京的中心\n李大海 | 上海的南面',
    )
  })
})

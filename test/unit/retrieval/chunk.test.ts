import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { type Chunk, type ChunkOptions, chunkDocument } from '../../../src/retrieval/chunk/chunk.js'
import { findMarkdownHeadings } from '../../../src/retrieval/parse/markdown.js'
import { type ParsedDocument, parseDocument } from '../../../src/retrieval/parse/parse.js'

type Counter = ChunkOptions['countTokens']
type Chunkable = Pick<ParsedDocument, 'text' | 'headings' | 'pages'>

const plain = (text: string): Chunkable => ({ text, headings: [], pages: [] })
const markdown = (text: string): Chunkable => ({ text, headings: findMarkdownHeadings(text), pages: [] })

/** A random generator (mulberry32), so that a failure can be repeated from its seed. */
function createRandom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
}

/** Words and marks, each Han character one: like WordPiece, near enough. */
const countWords: Counter = async (texts) =>
  texts.map(
    (text) =>
      text.match(/[\p{Script=Han}\p{Script=Hiragana}]|[\p{L}\p{N}\p{M}]{1,6}|[^\s\p{L}\p{N}\p{M}]/gu)?.length ?? 0,
  )

/** Not additive: a joined text counts more than its parts by one in every hundred code units. */
const countBytes: Counter = async (texts) =>
  texts.map((text) => Math.ceil(new TextEncoder().encode(text).length / 4) + Math.floor(text.length / 100))

const SCRIPTS: Readonly<Record<string, { words: string; space: string; stop: string }>> = {
  latin: { words: 'the quick brown fox jumps over lazy dogs e.g. Dr. 3.14 naïve co-operate', space: ' ', stop: '. ' },
  german: { words: 'Donaudampfschifffahrtsgesellschaft die Größe über öffnet z.B. Straße', space: ' ', stop: '! ' },
  cyrillic: { words: 'съешь ещё этих мягких французских булок да выпей чаю', space: ' ', stop: '. ' },
  greek: { words: 'ξεσκεπάζω την ψυχοφθόρα βδελυγμία', space: ' ', stop: '; ' },
  arabic: { words: 'نص حكيم له سر قاطع وذو شأن عظيم', space: ' ', stop: '؟ ' },
  hebrew: { words: 'דג סקרן שט בים מאוכזב ולפתע מצא', space: ' ', stop: '. ' },
  devanagari: { words: 'ऋषियों को सताने वाले दुष्ट राक्षसों के राजा', space: ' ', stop: '। ' },
  thai: { words: 'เป็นมนุษย์ สุด ประเสริฐ เลิศคุณค่า กว่าบรรดา ฝูงสัตว์', space: '', stop: ' ' },
  han: { words: '视野 无限 广 窗外 有 蓝天 微风 迎 客 软语 伴 茶', space: '', stop: '。' },
  kana: { words: 'いろはにほへと ちりぬるを カタカナ 漢字 も', space: '', stop: '。' },
  hangul: { words: '키스의 고유조건은 입술끼리 만나야 하고', space: ' ', stop: '. ' },
  emoji: { words: '👩‍👩‍👧‍👦 🏳️‍🌈 𝒳𝒴𝒵 👍🏽 e\u0301', space: ' ', stop: '! ' },
}

function generate(random: () => number, length: number): string {
  const pick = <Item>(items: readonly Item[]): Item => items[Math.floor(random() * items.length)] as Item
  let text = ''
  while (text.length < length) {
    const { words, space, stop } = SCRIPTS[pick(Object.keys(SCRIPTS))] as { words: string; space: string; stop: string }
    const list = words.split(' ')
    const kind = random()
    if (kind < 0.08) text += `${'#'.repeat(1 + Math.floor(random() * 4))} ${pick(list)} ${pick(list)}\n\n`
    else if (kind < 0.11) text += `${pick(list).repeat(200)} `
    else if (kind < 0.13)
      text += pick(['\ud800', '\udfff', '\u0000', '\u00a0\u3000', '\r\n\r\n', '\t\n \n', '|---|---|\n'])
    else {
      for (let sentence = 0; sentence < 1 + random() * 4; sentence++) {
        text += Array.from({ length: 1 + Math.floor(random() * 25) }, () => pick(list)).join(space) + stop
      }
      text += pick(['\n\n', '\n', ' ', '\n\n\n', ''])
    }
  }
  return text
}

/** Whether a cut at an offset parts a word of letters that white space ends. */
function isInWord(text: string, offset: number): boolean {
  return (
    /[A-Za-z\u00c0-\u024f\u0370-\u06ff\uac00-\ud7a3]$/.test(text[offset - 1] ?? '') &&
    /^[A-Za-z\u00c0-\u024f\u0370-\u06ff\uac00-\ud7a3]/.test(text[offset] ?? '')
  )
}

const isInPair = (text: string, offset: number): boolean =>
  /[\ud800-\udbff]/.test(text[offset - 1] ?? '') && /[\udc00-\udfff]/.test(text[offset] ?? '')

async function expectSound(
  { text }: Chunkable,
  chunks: readonly Chunk[],
  { chunkTokens, countTokens }: Pick<ChunkOptions, 'chunkTokens' | 'countTokens'>,
): Promise<void> {
  const pieces = chunks.map(({ span }) => text.slice(...span))
  const counts = await countTokens(pieces)
  let covered = 0
  for (const [index, { span, tokens, index: own }] of chunks.entries()) {
    expect(own).toBe(index)
    expect(tokens).toBe(counts[index])
    expect(tokens).toBeLessThanOrEqual(chunkTokens)
    expect(pieces[index]).toBe(pieces[index]?.trim())
    expect(pieces[index]).not.toBe('')
    expect(isInPair(text, span[0]) || isInPair(text, span[1])).toBe(false)
    if (span[0] > covered) expect(text.slice(covered, span[0]).trim()).toBe('')
    expect(span[1]).toBeGreaterThan(covered)
    covered = span[1]
  }
  expect(text.slice(covered).trim()).toBe('')
}

describe('chunkDocument', () => {
  for (let seed = 1; seed <= 24; seed++) {
    it(`covers generated text exactly and keeps the limit, seed ${seed}`, async () => {
      const random = createRandom(seed)
      const document = markdown(generate(random, 3000 + Math.floor(random() * 9000)))
      const chunkTokens = [16, 48, 128, 256][seed % 4] as number
      const options = {
        chunkTokens,
        overlapTokens: Math.floor(random() * chunkTokens * 0.6),
        countTokens: seed % 2 === 0 ? countWords : countBytes,
      }
      const chunks = await chunkDocument(document, options)
      await expectSound(document, chunks, options)
      for (const { span } of chunks) {
        for (const offset of span) {
          if (!isInWord(document.text, offset)) continue
          // Only a word that is over the limit of its own may be cut.
          const word = `${/\S*$/.exec(document.text.slice(0, offset))?.[0]}${/^\S*/.exec(document.text.slice(offset))?.[0]}`
          expect(word.length).toBeGreaterThan(chunkTokens)
        }
      }
    })
  }

  it('begins a chunk at a heading and says where it stands', async () => {
    const body = 'Some words that make a sentence of ten tokens here. '.repeat(12)
    const document = markdown(`Intro.\n\n# One\n\n${body}\n\n## One A\n\n${body}\n\n# Two\n\n${body}`)
    const chunks = await chunkDocument(document, { chunkTokens: 100, overlapTokens: 20, countTokens: countWords })
    const first = (title: string): Chunk | undefined =>
      chunks.find(({ span }) => document.text.slice(...span).startsWith(title))
    expect(first('# One')?.headings).toEqual(['One'])
    expect(first('## One A')?.headings).toEqual(['One', 'One A'])
    expect(first('# Two')?.headings).toEqual(['Two'])
    for (const { span } of chunks) expect(document.text.slice(...span)).not.toMatch(/\n#+ /)
  })

  it('merges tiny sections of one parent, and a bare title with what it introduces', async () => {
    const document = markdown('# Guide\n\n## A\n\nFirst.\n\n## B\n\nSecond.\n\n## C\n\nThird.\n')
    const chunks = await chunkDocument(document, { chunkTokens: 100, overlapTokens: 10, countTokens: countWords })
    expect(chunks).toHaveLength(1)
    expect(chunks[0]?.headings).toEqual(['Guide'])
    const long = 'A sentence with a number of words in it. '.repeat(30)
    const other = markdown(`# Guide\n\n## Section\n\n${long}`)
    const parts = await chunkDocument(other, { chunkTokens: 64, overlapTokens: 8, countTokens: countWords })
    expect(other.text.slice(...(parts[0]?.span ?? [0, 0]))).toMatch(/^# Guide\n\n## Section\n\nA sentence/)
    expect(parts.every(({ headings }) => headings.join('/') === 'Guide/Section')).toBe(true)
  })

  it('repeats whole sentences, and of a longer one its last words', async () => {
    const text = Array.from({ length: 30 }, (_, index) => `Sentence number ${index} has seven words.`).join(' ')
    const chunks = await chunkDocument(plain(text), { chunkTokens: 60, overlapTokens: 20, countTokens: countWords })
    for (const [index, { span }] of chunks.entries()) {
      if (index === 0) continue
      const overlap = text.slice(span[0], chunks[index - 1]?.span[1])
      expect(overlap).toMatch(/^Sentence number \d+ has seven words\.( |$)/)
    }
    const endless = Array.from({ length: 300 }, (_, index) => `word${index}`).join(' ')
    const parts = await chunkDocument(plain(endless), { chunkTokens: 60, overlapTokens: 20, countTokens: countWords })
    for (const [index, { span }] of parts.entries()) {
      if (index > 0) expect(span[0]).toBeLessThan(parts[index - 1]?.span[1] ?? 0)
      expect(endless.slice(...span)).toMatch(/^word\d+ .* word\d+$/)
    }
  })

  it('cuts Chinese at sentences, and a sentence over the limit between words', async () => {
    const sentence = '人工智能正在改变我们的生活方式和工作方式。'
    const text = sentence.repeat(20)
    const chunks = await chunkDocument(plain(text), { chunkTokens: 64, overlapTokens: 0, countTokens: countWords })
    for (const { span } of chunks) expect(text.slice(...span)).toMatch(/。$/)
    const long = '人工智能正在改变我们的生活方式和工作方式'.repeat(10)
    const parts = await chunkDocument(plain(long), { chunkTokens: 33, overlapTokens: 0, countTokens: countWords })
    const words = new Set(
      [...new Intl.Segmenter('zh', { granularity: 'word' }).segment(long)].map(({ index }) => index),
    )
    for (const { span } of parts) expect(words.has(span[0])).toBe(true)
  })

  it('says the page on which a chunk begins', async () => {
    const page = 'A page with a few sentences on it. '.repeat(10)
    const text = page.repeat(3)
    const pages = [0, 1, 2].map((index) => ({
      page: index + 1,
      span: [index * page.length, (index + 1) * page.length] as const,
    }))
    const chunks = await chunkDocument(
      { text, headings: [], pages },
      { chunkTokens: 40, overlapTokens: 8, countTokens: countWords },
    )
    for (const { span, page: number } of chunks) expect(number).toBe(Math.floor(span[0] / page.length) + 1)
    expect(new Set(chunks.map((chunk) => chunk.page))).toEqual(new Set([1, 2, 3]))
  })

  it('counts each short piece once, and asks in batches', async () => {
    let texts = 0
    let calls = 0
    const counting: Counter = async (batch) => {
      calls++
      texts += batch.length
      return countWords(batch)
    }
    const text = 'Yes. No. Maybe. '.repeat(2000)
    await chunkDocument(plain(text), { chunkTokens: 64, overlapTokens: 8, countTokens: counting })
    expect(calls).toBeLessThan(20)
    expect(texts).toBeLessThan(2500)
  })

  it.each([
    ['an endless word', 'x'.repeat(1_000_000)],
    ['an endless word of emoji', '👩‍👩‍👧‍👦'.repeat(40_000)],
    ['endless Chinese', '视野无限广窗外有蓝天'.repeat(50_000)],
    ['ten thousand headings', Array.from({ length: 10_000 }, (_, index) => `## Title ${index}\n\nText.\n`).join('\n')],
    [
      'ten thousand bare headings',
      Array.from({ length: 10_000 }, (_, index) => `${'#'.repeat(1 + (index % 6))} T${index}`).join('\n'),
    ],
    ['lone surrogates', '\ud800'.repeat(20_000)],
    ['one line of blanks and a word', `${' '.repeat(500_000)}word${'\n'.repeat(500_000)}`],
    ['a paragraph without a stop', 'word '.repeat(200_000)],
    ['combining marks', `a${'\u0301'.repeat(100_000)}`],
  ])('stays sound and linear on %s', async (_, text) => {
    const document = markdown(text)
    const options = { chunkTokens: 64, overlapTokens: 8, countTokens: countBytes }
    await expectSound(document, await chunkDocument(document, options), options)
  })

  it('gives no chunks for blank text, and one for one character whatever the limit', async () => {
    const options = {
      chunkTokens: 1,
      overlapTokens: 0,
      countTokens: async (texts: readonly string[]) => texts.map(() => 4),
    }
    expect(await chunkDocument(plain(' \n\u00a0\n'), options)).toEqual([])
    expect(await chunkDocument(plain('😀'), options)).toMatchObject([{ span: [0, 2], tokens: 4 }])
  })

  it('takes at most half of a chunk for overlap, and refuses limits that are no limits', async () => {
    const document = plain('One two three four five six seven eight nine ten. '.repeat(40))
    const options = { chunkTokens: 16, overlapTokens: 32, countTokens: countWords }
    await expectSound(document, await chunkDocument(document, options), options)
    await expect(chunkDocument(document, { ...options, chunkTokens: 0 })).rejects.toMatchObject({
      code: 'invalid-argument',
    })
    await expect(chunkDocument(document, { ...options, overlapTokens: Number.NaN })).rejects.toMatchObject({
      code: 'invalid-argument',
    })
  })

  it('stops when the signal aborts', async () => {
    const controller = new AbortController()
    let calls = 0
    const countTokens: Counter = async (texts) => {
      if (++calls === 2) controller.abort()
      return countWords(texts)
    }
    const run = chunkDocument(plain('Some words in a sentence. '.repeat(100_000)), {
      chunkTokens: 64,
      overlapTokens: 8,
      countTokens,
      signal: controller.signal,
    })
    await expect(run).rejects.toMatchObject({ code: 'aborted' })
    expect(calls).toBeLessThan(4)
  })

  const documents = process.env.ALCOVE_DATA_DIR && join(process.env.ALCOVE_DATA_DIR, 'documents')
  it.skipIf(!documents || !existsSync(documents))('is sound on real documents (needs ALCOVE_DATA_DIR)', async () => {
    const names = [
      'pdf.js/tracemonkey.pdf',
      'markitdown/test_wikipedia.html',
      'docling/wiki.md',
      'markitdown/test.docx',
    ]
    for (const name of names) {
      const document = await parseDocument({ data: new Uint8Array(readFileSync(join(documents ?? '', name))), name })
      const options = { chunkTokens: 256, overlapTokens: 32, countTokens: countWords }
      const chunks = await chunkDocument(document, options)
      await expectSound(document, chunks, options)
      for (const heading of document.headings) {
        // A heading never stands in the middle of a chunk that is not a merger of tiny sections.
        const holder = chunks.find(({ span }) => span[0] < heading.start && heading.start < span[1])
        if (holder) expect(holder.tokens).toBeLessThanOrEqual(256)
      }
    }
  })
})

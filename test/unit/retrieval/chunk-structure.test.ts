import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type Chunk, type ChunkOptions, chunkDocument } from '../../../src/retrieval/chunk/chunk.js'
import { findBlocks } from '../../../src/retrieval/chunk/chunk-blocks.js'
import { createContextHeader, headerLengthFor } from '../../../src/retrieval/chunk/context-header.js'
import { findMarkdownHeadings } from '../../../src/retrieval/parse/markdown.js'
import { parseDocument } from '../../../src/retrieval/parse/parse.js'

/** Bytes of UTF-8 by three, and a little more for long texts: hard on all scripts, and not additive. */
const countBytes = async (texts: readonly string[]) =>
  texts.map((text) => Math.ceil(new TextEncoder().encode(text).length / 3) + Math.floor(text.length / 200))

/** Words and marks. */
const countWords = async (texts: readonly string[]) =>
  texts.map((text) => text.match(/[\p{L}\p{N}\p{M}]+|[^\s\p{L}\p{N}\p{M}]/gu)?.length ?? 0)

const markdown = (text: string) => ({ text, headings: findMarkdownHeadings(text), pages: [] })

/** The first article of the Universal Declaration of Human Rights, and a line more, in as many scripts as there are. */
const SCRIPTS = {
  Latin: 'All human beings are born free and equal in dignity and rights. They are endowed with reason and conscience.',
  Cyrillic: 'Все люди рождаются свободными и равными в своем достоинстве и правах. Они наделены разумом и совестью.',
  Greek:
    'Όλοι οι άνθρωποι γεννιούνται ελεύθεροι και ίσοι στην αξιοπρέπεια και τα δικαιώματα. Είναι προικισμένοι με λογική.',
  Arabic: 'يولد جميع الناس أحرارا متساوين في الكرامة والحقوق. وقد وهبوا عقلا وضميرا وعليهم أن يعامل بعضهم بعضا.',
  Hebrew: 'כל בני האדם נולדו בני חורין ושווים בערכם ובזכויותיהם. כולם חוננו בתבונה ובמצפון.',
  Devanagari:
    'सभी मनुष्यों को गौरव और अधिकारों के मामले में जन्मजात स्वतन्त्रता और समानता प्राप्त है। उन्हें बुद्धि और अन्तरात्मा की देन प्राप्त है।',
  Thai: 'มนุษย์ทั้งหลายเกิดมามีอิสระและเสมอภาคกันในเกียรติศักดิ์และสิทธิ ต่างมีเหตุผลและมโนธรรม และควรปฏิบัติต่อกันด้วยเจตนารมณ์แห่งภราดรภาพ',
  Han: '人人生而自由，在尊严和权利上一律平等。他们赋有理性和良心，并应以兄弟关系的精神相对待。',
  Kana: 'すべての人間は、生まれながらにして自由であり、かつ、尊厳と権利とについて平等である。人間は、理性と良心とを授けられている。',
  Hangul:
    '모든 인간은 태어날 때부터 자유로우며 그 존엄과 권리에 있어 동등하다. 인간은 천부적으로 이성과 양심을 부여받았다.',
  Tamil: 'மனிதப் பிறிவியினர் சகலரும் சுதந்திரமாகவே பிறக்கின்றனர். அவர்கள் மதிப்பிலும், உரிமைகளிலும் சமமானவர்கள்.',
  Georgian: 'ყველა ადამიანი იბადება თავისუფალი და თანასწორი თავისი ღირსებითა და უფლებებით. მათ მინიჭებული აქვთ გონება.',
} as const

const SPACED = new Set(['Latin', 'Cyrillic', 'Greek', 'Arabic', 'Hebrew', 'Devanagari', 'Hangul', 'Tamil', 'Georgian'])

async function expectSound(text: string, chunks: readonly Chunk[], options: ChunkOptions): Promise<void> {
  const header = (chunk: Chunk) =>
    options.contextTitle === undefined
      ? ''
      : createContextHeader(options.contextTitle, chunk.headings, headerLengthFor(options.chunkTokens))
  const counts = await options.countTokens(chunks.map((chunk) => header(chunk) + text.slice(...chunk.span)))
  let covered = 0
  for (const [index, { span, tokens }] of chunks.entries()) {
    expect(tokens).toBe(counts[index])
    expect(tokens).toBeLessThanOrEqual(options.chunkTokens)
    expect(text.slice(covered, Math.max(covered, span[0])).trim()).toBe('')
    expect(span[1]).toBeGreaterThan(covered)
    for (const offset of span) {
      expect(/[\ud800-\udbff]$/.test(text.slice(0, offset)) && /^[\udc00-\udfff]/.test(text.slice(offset))).toBe(false)
    }
    covered = span[1]
  }
  expect(text.slice(covered).trim()).toBe('')
}

describe('ten scripts and two', () => {
  for (const [script, sentence] of Object.entries(SCRIPTS)) {
    for (const chunkTokens of [24, 64, 256]) {
      test(`${script}, ${chunkTokens} tokens: all is covered, nothing is over, no word is cut`, async () => {
        const paragraphs = Array.from({ length: 12 }, (_, n) =>
          Array(1 + (n % 4))
            .fill(sentence)
            .join(' '),
        )
        const text = `# ${sentence.slice(0, 20)}\n\n${paragraphs.join('\n\n')}`
        for (const contextTitle of [undefined, sentence.slice(0, 40)]) {
          const options = { chunkTokens, overlapTokens: chunkTokens >> 2, countTokens: countBytes, contextTitle }
          const chunks = await chunkDocument(markdown(text), options)
          await expectSound(text, chunks, options)
          if (!SPACED.has(script) || chunkTokens < 64) continue
          for (const { span } of chunks) {
            for (const offset of span) {
              const isInWord = /[\p{L}\p{M}]$/u.test(text.slice(0, offset)) && /^[\p{L}\p{M}]/u.test(text.slice(offset))
              expect(isInWord, text.slice(offset - 10, offset + 10)).toBe(false)
            }
          }
        }
      })
    }
  }
})

describe('blocks', () => {
  const prose = 'A sentence of some words stands here. '
  const code = '```js\nconst a = 1\n\nconst b = 2. Is it so? Yes! It is.\n\nconsole.log(a + b)\n```\n'
  const table = '| name | size |\n|---|---|\n| heron | large. Very! |\n| wren | small |\n| crane | huge |\n'

  test('are fenced code, also one that never ends, and tables of bars or tabs', () => {
    const of = (text: string) => findBlocks(text).map((span) => text.slice(...span))
    expect(of(`Before.\n${code}After.`)).toEqual([code])
    expect(of(`Before.\n\n${table}\nAfter.`)).toEqual([table])
    expect(of('a\tb\nc\td\n\nText.')).toEqual(['a\tb\nc\td\n'])
    expect(of('one | two | alone\n\nText.')).toEqual([])
    expect(of('~~~\nx\n```\ny\n~~~\nz')).toEqual(['~~~\nx\n```\ny\n~~~\n'])
    expect(of('```\nx | y | z\nu | v | w\n```\n')).toEqual(['```\nx | y | z\nu | v | w\n```\n'])
    expect(findBlocks(`${'|'.repeat(100_000)}\n${'\t'.repeat(100_000)}`)).toEqual([])
  })

  for (const [name, block] of Object.entries({ code, table })) {
    test(`${name} that fits into a chunk stays whole, wherever it stands`, async () => {
      for (let before = 0; before < 14; before++) {
        const text = `${prose.repeat(before)}\n\n${block}\n\n${prose.repeat(9)}`
        const options = { chunkTokens: 60, overlapTokens: 12, countTokens: countWords }
        const chunks = await chunkDocument({ text, headings: [], pages: [] }, options)
        await expectSound(text, chunks, options)
        const holder = chunks.some(({ span }) => text.slice(...span).includes(block.trim()))
        expect(holder, `${before} sentences before`).toBe(true)
      }
    })
  }

  test('a table over the limit is cut at its rows, and nothing is lost', async () => {
    const rows = Array.from({ length: 60 }, (_, n) => `| bird ${n} | size ${n} | lake ${n} |`).join('\n')
    const text = `${prose.repeat(3)}\n\n${rows}\n\n${prose}`
    const options = { chunkTokens: 60, overlapTokens: 0, countTokens: countWords }
    const chunks = await chunkDocument({ text, headings: [], pages: [] }, options)
    await expectSound(text, chunks, options)
  })
})

describe('the context header', () => {
  test('is title and headings on one line, the outer headings left out first', () => {
    expect(createContextHeader('Birds', ['Herons', 'Nests'], 64)).toBe('Birds > Herons > Nests\n')
    expect(createContextHeader('Birds', ['Birds', 'Nests'], 64)).toBe('Birds > Nests\n')
    expect(createContextHeader('', [], 64)).toBe('')
    expect(createContextHeader('Two\nlines\t here', [], 64)).toBe('Two lines here\n')
    expect(createContextHeader('Birds', ['A very long outer heading', 'Nests'], 20)).toBe('Birds > Nests\n')
  })

  test('is never over its length, and cuts no surrogate pair', () => {
    for (let length = 0; length < 30; length++) {
      const header = createContextHeader('😀😀😀 Birds of the lake', ['😀'.repeat(20)], length)
      expect(header.length).toBeLessThanOrEqual(Math.max(0, length))
      expect(header).not.toMatch(/[\ud800-\udbff](?![\udc00-\udfff])/)
    }
  })
})

describe('real documents', () => {
  const folder = process.env.ALCOVE_DATA_DIR && join(process.env.ALCOVE_DATA_DIR, 'documents')
  const name = 'docling/wiki.md'
  test.skipIf(!folder || !existsSync(join(folder, name)))(
    'with headers and small chunks (needs ALCOVE_DATA_DIR)',
    async () => {
      const document = await parseDocument({ data: new Uint8Array(readFileSync(join(folder ?? '', name))), name })
      for (const chunkTokens of [32, 128]) {
        const options = { chunkTokens, overlapTokens: 8, countTokens: countBytes, contextTitle: 'Duck and wiki' }
        await expectSound(document.text, await chunkDocument(document, options), options)
      }
    },
  )
})

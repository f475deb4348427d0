import { describe, expect, test } from 'vitest'
import { createEntryReader } from '../../../src/retrieval/commit-documents.js'
import { parseDocument } from '../../../src/retrieval/parse/parse.js'
import { parseNear } from '../../../src/retrieval/parse-near.js'
import type { DocumentEntry } from '../../../src/retrieval/storage/corpus-layout.js'
import { sha256Hex } from '../../../src/text/hash.js'
import { hashText } from '../../../src/text/hash-text.js'

describe('short texts', () => {
  test('have the same hash as WebCrypto gives, of any length and script', async () => {
    for (const text of [
      '',
      'a',
      'né 漢字 🙂',
      ...[55, 56, 63, 64, 65, 2_048, 2_049].map((length) => 'x'.repeat(length)),
    ]) {
      expect(await hashText(text)).toBe(await sha256Hex(text))
    }
  })

  test('that are plain are read in place; files, long texts and other kinds go to a parser', async () => {
    const far: unknown[] = []
    const parse = parseNear(async (input, options) => {
      far.push(input.data)
      return await parseDocument(input, options)
    })
    const near = await parse({ data: 'A note about herons.' })
    expect(near).toEqual(await parseDocument({ data: 'A note about herons.' }))
    expect(far).toHaveLength(0)
    const inputs = [
      { data: '# Title\n\nMarkdown with a [link](x).\n\n- a\n- b\n', mediaType: 'text/markdown' },
      { data: '<!doctype html><html><body><p>Some text</p></body></html>' },
      { data: 'word '.repeat(2_000) },
      { data: new TextEncoder().encode('A file of text.') },
    ]
    for (const input of inputs) await parse(input)
    expect(far).toEqual(inputs.map(({ data }) => data))
  })

  test('an empty one is refused in place as by a parser', async () => {
    await expect(parseNear(parseDocument)({ data: '' })).rejects.toMatchObject({ code: 'document-empty' })
  })

  test('entries that are asked for together cost few reads', async () => {
    const reads: (readonly string[])[] = []
    const readEntry = createEntryReader({
      async readEntriesOf(ids) {
        reads.push(ids)
        await new Promise((resolve) => setTimeout(resolve, 5))
        return ids.map((id) => (id === 'n7' ? ({ id } as DocumentEntry) : undefined))
      },
    })
    const entries = await Promise.all(Array.from({ length: 200 }, (_, n) => readEntry(`n${n}`)))
    expect(entries.filter((entry) => entry !== undefined)).toEqual([{ id: 'n7' }])
    expect(reads.length).toBeLessThanOrEqual(3)
  })
})

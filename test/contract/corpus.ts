import type { TestAPI, expect as vitestExpect } from 'vitest'
import type { AddProgress, Corpus, CorpusOptions, DocumentInput, Hit } from '../../src/protocol/corpus.js'

/** What the suite runs on: one host of corpora, as a page has it. */
export interface CorpusContext {
  open(name: string, options?: CorpusOptions): Promise<Corpus>
  list(): Promise<string[]>
  delete(name: string): Promise<boolean>
  /** A second look at what is stored, as after a reload. */
  reopen(): Promise<CorpusContext>
  close(): Promise<void>
}

export interface CorpusSuite {
  readonly test: TestAPI
  readonly expect: typeof vitestExpect
  /** A host with an embedding model, with nothing stored. */
  readonly create: () => Promise<CorpusContext>
}

const bread: DocumentInput = {
  title: 'Bread',
  url: 'https://example.test/bread',
  text: 'Sourdough needs a starter of flour and water.\n\nBake the loaf for forty minutes in a hot oven.',
  metadata: { kind: 'recipe', year: 2020 },
}
const orbit: DocumentInput = {
  id: 'orbit',
  title: 'Orbits',
  text: 'A satellite falls around the planet. Its period grows with the height of the orbit.',
  metadata: { kind: 'science', year: 2021 },
}
const tea: DocumentInput = {
  title: '茶',
  text: '绿茶不经过发酵。红茶是全发酵茶,产于福建。',
  metadata: { kind: 'recipe', year: 2021 },
}

/** What every `Corpus` must do, in a thread of its own or not. */
export function testCorpus({ test, expect, create }: CorpusSuite): void {
  const withCorpus = (work: (corpus: Corpus, context: CorpusContext) => Promise<void>) => async () => {
    const context = await create()
    try {
      await work(await context.open('handbook'), context)
    } finally {
      await context.close()
    }
  }
  const collect = async (run: AsyncIterable<AddProgress>): Promise<AddProgress[]> => {
    const parts: AddProgress[] = []
    for await (const part of run) parts.push(part)
    return parts
  }
  const expectWholeHits = async (corpus: Corpus, hits: readonly Hit[]): Promise<void> => {
    expect(hits.length).toBeGreaterThan(0)
    for (const hit of hits) {
      const document = await corpus.get(hit.source.id)
      expect(document?.text.slice(...hit.span)).toBe(hit.text)
      expect(hit.text.trim()).not.toBe('')
    }
    expect(hits.map(({ score }) => score)).toEqual(hits.map(({ score }) => score).sort((a, b) => b - a))
    expect(new Set(hits.map(({ id }) => id)).size).toBe(hits.length)
  }

  test(
    'adds documents, says how, and finds them in each mode',
    withCorpus(async (corpus) => {
      const result = await corpus.add([bread, orbit, tea])
      expect(result).toMatchObject({ added: 3, updated: 0, unchanged: 0, failed: [] })
      expect(result.ids).toEqual(['https://example.test/bread', 'orbit', '茶'])
      for (const mode of ['hybrid', 'keyword', 'vector'] as const) {
        const hits = await corpus.search('how long does a loaf bake in the oven', { mode })
        await expectWholeHits(corpus, hits)
        expect(hits[0]?.source).toMatchObject({ id: 'https://example.test/bread', title: 'Bread' })
        expect(hits[0]?.source.metadata).toEqual({ kind: 'recipe', year: 2020 })
        expect(hits[0]?.ranks.keyword).toBe(mode === 'vector' ? undefined : 1)
        expect(hits[0]?.ranks.vector).toBe(mode === 'keyword' ? undefined : 1)
      }
    }),
  )

  test(
    'finds Chinese by keyword, also a single character',
    withCorpus(async (corpus) => {
      await corpus.add([bread, orbit, tea])
      for (const query of ['红茶产于哪里？', '福建', '茶']) {
        const hits = await corpus.search(query, { mode: 'keyword' })
        await expectWholeHits(corpus, hits)
        expect(hits[0]?.source.id).toBe('茶')
      }
    }),
  )

  test(
    'a search for words that occur nowhere gives nothing by keyword, and an empty one nothing at all',
    withCorpus(async (corpus) => {
      await corpus.add([bread, orbit])
      expect(await corpus.search('zyzzyva', { mode: 'keyword' })).toEqual([])
      expect(await corpus.search('   ')).toEqual([])
      expect(await corpus.search('')).toEqual([])
    }),
  )

  test(
    'adding the same again changes nothing; another text is an update that keeps the place',
    withCorpus(async (corpus) => {
      await corpus.add([bread, orbit])
      expect(await corpus.add([bread, orbit])).toMatchObject({ added: 0, updated: 0, unchanged: 2 })
      const changed = { ...bread, text: 'Rye bread is baked with caraway.' }
      expect(await corpus.add(changed)).toMatchObject({ added: 0, updated: 1, unchanged: 0 })
      expect((await corpus.list()).map(({ id }) => id)).toEqual(['https://example.test/bread', 'orbit'])
      expect((await corpus.get('https://example.test/bread'))?.text).toBe('Rye bread is baked with caraway.')
      expect(await corpus.search('sourdough starter', { mode: 'keyword' })).toEqual([])
      expect((await corpus.search('caraway'))[0]?.source.title).toBe('Bread')
      expect(await corpus.stats()).toMatchObject({ documents: 2, pendingVectors: 0 })
    }),
  )

  test(
    'other metadata is an update too',
    withCorpus(async (corpus) => {
      await corpus.add(bread)
      expect(await corpus.add({ ...bread, metadata: { kind: 'recipe', year: 2024 } })).toMatchObject({ updated: 1 })
      expect((await corpus.list())[0]?.metadata).toEqual({ kind: 'recipe', year: 2024 })
    }),
  )

  test(
    'progress is told for each document, its last word being ready, unchanged or failed',
    withCorpus(async (corpus) => {
      await corpus.add(orbit)
      const parts = await collect(corpus.add([bread, orbit, { title: 'nothing', text: '   ' }]))
      const lastOf = (index: number) => parts.filter((part) => part.index === index).at(-1)
      expect(lastOf(0)).toMatchObject({ type: 'ready', title: 'Bread', id: 'https://example.test/bread' })
      expect(lastOf(0)?.chunksDone).toBe(lastOf(0)?.chunksTotal)
      expect(lastOf(1)).toMatchObject({ type: 'unchanged', id: 'orbit' })
      expect(lastOf(2)).toMatchObject({ type: 'failed', title: 'nothing', error: { code: 'document-empty' } })
      expect(parts.some(({ type, index }) => type === 'embedding' && index === 0)).toBe(true)
    }),
  )

  test(
    'one document that fails does not stop the others',
    withCorpus(async (corpus) => {
      const broken = { title: 'broken', data: new Blob([new Uint8Array([0x25, 0x50, 0x44, 0x46, 0x2d, 1, 2, 3])]) }
      const result = await corpus.add([broken, bread])
      expect(result).toMatchObject({ added: 1, ids: ['https://example.test/bread'] })
      expect(result.failed).toHaveLength(1)
      expect(result.failed[0]).toMatchObject({ title: 'broken' })
      expect(result.failed[0]?.hint).not.toBe('')
    }),
  )

  test(
    'an input that is no document rejects before anything is added',
    withCorpus(async (corpus) => {
      // biome-ignore lint/suspicious/noExplicitAny: what a caller without types may do.
      const wrong = { title: 'no text' } as any
      await expect(corpus.add([bread, wrong])).rejects.toMatchObject({ code: 'invalid-argument' })
      await expect(collect(corpus.add(wrong))).rejects.toMatchObject({ code: 'invalid-argument' })
      expect(await corpus.list()).toEqual([])
    }),
  )

  test(
    'wrong search options are named',
    withCorpus(async (corpus) => {
      await corpus.add(bread)
      for (const options of [{ topK: 0 }, { topK: 1.5 }, { mode: 'fuzzy' as 'hybrid' }]) {
        await expect(corpus.search('loaf', options)).rejects.toMatchObject({ code: 'invalid-argument' })
      }
    }),
  )

  test(
    'where reaches both legs',
    withCorpus(async (corpus) => {
      const noise = Array.from({ length: 80 }, (_, index) => ({
        id: `noise-${index}`,
        text: `Loaf number ${index} in the oven: bake bread, bread, bread.`,
        metadata: { kind: 'noise' },
      }))
      await corpus.add([...noise, bread, orbit, tea])
      for (const mode of ['hybrid', 'keyword', 'vector'] as const) {
        const hits = await corpus.search('bake bread in the oven', { mode, where: { kind: 'recipe', year: 2020 } })
        expect(hits.length).toBeGreaterThan(0)
        expect(hits.every(({ source }) => source.id === 'https://example.test/bread')).toBe(true)
        expect(await corpus.search('bake bread', { mode, where: { kind: 'none' } })).toEqual([])
      }
    }),
  )

  test(
    'topK bounds the hits, and passages with the same text come once',
    withCorpus(async (corpus) => {
      const copies = Array.from({ length: 6 }, (_, index) => ({ id: `copy-${index}`, text: 'The very same passage.' }))
      const others = Array.from({ length: 6 }, (_, index) => ({
        id: `other-${index}`,
        text: `A passage of its own, ${index}.`,
      }))
      await corpus.add([...copies, ...others])
      const hits = await corpus.search('passage', { topK: 5 })
      expect(hits).toHaveLength(5)
      expect(new Set(hits.map(({ text }) => text)).size).toBe(5)
    }),
  )

  test(
    'hits know pages and headings of long documents, and each span cuts its text out',
    withCorpus(async (_, context) => {
      const corpus = await context.open('long', { chunkTokens: 40, overlapTokens: 8 })
      const sections = Array.from({ length: 12 }, (_, n) => {
        const sentences = Array.from(
          { length: 8 },
          (_, k) => `Sentence ${k} of part ${n} speaks of topic${n} and 主题${n}😀.`,
        )
        return `## Part ${n}\n\n${sentences.join(' ')}`
      })
      await corpus.add({ title: 'Long', text: `# Book\n\n${sections.join('\n\n')}`, mediaType: 'text/markdown' })
      for (const mode of ['hybrid', 'keyword', 'vector'] as const) {
        const hits = await corpus.search('what does topic7 speak of', { mode, topK: 20 })
        await expectWholeHits(corpus, hits)
      }
      const [best] = await corpus.search('topic7', { mode: 'keyword' })
      expect(best?.source.headings).toContain('Part 7')
    }),
  )

  test(
    'remove and clear take documents out of list, search and store',
    withCorpus(async (corpus) => {
      await corpus.add([bread, orbit, tea])
      expect(await corpus.remove('orbit')).toBe(true)
      expect(await corpus.remove('orbit')).toBe(false)
      expect(await corpus.get('orbit')).toBeUndefined()
      expect(await corpus.search('satellite orbit period', { mode: 'keyword' })).toEqual([])
      expect(
        (await corpus.search('satellite orbit period', { mode: 'vector' })).map(({ source }) => source.id),
      ).not.toContain('orbit')
      await corpus.clear()
      expect(await corpus.list()).toEqual([])
      expect(await corpus.search('loaf')).toEqual([])
      expect(await corpus.stats()).toMatchObject({ documents: 0, chunks: 0, bytes: 0 })
      expect(await corpus.add(bread)).toMatchObject({ added: 1 })
    }),
  )

  test(
    'stats and list count',
    withCorpus(async (corpus) => {
      await corpus.add([bread, tea])
      const stats = await corpus.stats()
      expect(stats).toMatchObject({ documents: 2, pendingVectors: 0 })
      expect(stats.dimensions).toBeGreaterThan(0)
      expect(stats.embedder).toEqual(expect.any(String))
      const list = await corpus.list()
      expect(stats.chunks).toBe(list.reduce((sum, { chunks }) => sum + chunks, 0))
      expect(stats.bytes).toBeGreaterThan(list.reduce((sum, { bytes }) => sum + bytes, 0))
      const [first] = list
      expect(first).toMatchObject({ title: 'Bread', url: 'https://example.test/bread', metadata: { kind: 'recipe' } })
      expect(first?.bytes).toBe(new TextEncoder().encode((await corpus.get(first?.id ?? ''))?.text).length)
    }),
  )

  test(
    'what is stored is there after a reopen, vectors included',
    withCorpus(async (corpus, context) => {
      await corpus.add([bread, orbit, tea])
      const before = await corpus.search('period of an orbit')
      const again = await context.reopen()
      try {
        expect(await again.list()).toEqual(['handbook'])
        const reopened = await again.open('handbook')
        expect(await reopened.search('period of an orbit')).toEqual(before)
        expect(await reopened.stats()).toMatchObject({ documents: 3, pendingVectors: 0 })
        expect(await reopened.add([bread, orbit, tea])).toMatchObject({ unchanged: 3 })
      } finally {
        await again.close()
      }
    }),
  )

  test(
    'export and import carry a corpus whole',
    withCorpus(async (corpus, context) => {
      await corpus.add([bread, orbit, tea])
      const file = await corpus.export()
      const copy = await context.open('copy')
      expect(await copy.import(file)).toMatchObject({ added: 3, unchanged: 0, failed: [] })
      expect(await copy.import(file)).toMatchObject({ added: 0, unchanged: 3 })
      expect(await copy.search('loaf in the oven')).toEqual(await corpus.search('loaf in the oven'))
      expect(await copy.stats()).toMatchObject({ documents: 3, pendingVectors: 0 })
      expect(await copy.get('orbit')).toEqual(await corpus.get('orbit'))
    }),
  )

  test(
    'a file that is no corpus is refused, and nothing of it is taken in',
    withCorpus(async (corpus) => {
      await corpus.add([bread, orbit])
      const file = await corpus.export()
      const later = new Uint8Array(await file.arrayBuffer())
      later[4] = 99
      const wrong: [Blob, string][] = [
        [new Blob(['hello']), 'parse-failed'],
        [new Blob(['PK\u0003\u0004 some other kind of file, long enough to have a header']), 'parse-failed'],
        [file.slice(0, file.size - 10), 'parse-failed'],
        [file.slice(0, 40), 'parse-failed'],
        [new Blob([file, 'more']), 'parse-failed'],
        [new Blob([later]), 'version-unsupported'],
      ]
      await corpus.clear()
      for (const [blob, code] of wrong) await expect(corpus.import(blob)).rejects.toMatchObject({ code })
      expect(await corpus.list()).toEqual([])
    }),
  )

  test(
    'corpora are apart, and are listed and deleted by name',
    withCorpus(async (corpus, context) => {
      const other = await context.open('a/b c?')
      await Promise.all([corpus.add(bread), other.add(orbit)])
      expect(await context.list()).toEqual(['a/b c?', 'handbook'].sort())
      expect(await corpus.search('satellite', { mode: 'keyword' })).toEqual([])
      expect(await context.delete('a/b c?')).toBe(true)
      expect(await context.delete('a/b c?')).toBe(false)
      expect(await context.list()).toEqual(['handbook'])
      expect((await corpus.list()).map(({ title }) => title)).toEqual(['Bread'])
      await expect(context.open('')).rejects.toMatchObject({ code: 'invalid-argument' })
    }),
  )

  test(
    'two adds at once lose nothing',
    withCorpus(async (corpus) => {
      const make = (prefix: string) =>
        Array.from({ length: 15 }, (_, n) => ({ id: `${prefix}${n}`, text: `${prefix} text ${n}` }))
      const [left, right] = await Promise.all([corpus.add(make('left')), corpus.add(make('right'))])
      expect([left.added, right.added]).toEqual([15, 15])
      expect(await corpus.stats()).toMatchObject({ documents: 30, pendingVectors: 0 })
      expect((await corpus.search('right text 7', { mode: 'keyword' }))[0]?.source.id).toBe('right7')
    }),
  )

  test(
    'an aborted add leaves what is finished, and can be done again',
    withCorpus(async (corpus) => {
      const documents = Array.from({ length: 40 }, (_, n) => ({
        id: `doc${n}`,
        text: `Document ${n} about subject${n}. `.repeat(20),
      }))
      const controller = new AbortController()
      const run = corpus.add(documents, { signal: controller.signal })
      const watch = async () => {
        for await (const part of run) if (part.type === 'ready') controller.abort()
      }
      await expect(watch()).rejects.toMatchObject({ code: 'aborted' })
      await expect(run).rejects.toMatchObject({ code: 'aborted' })
      const kept = await corpus.list()
      expect(kept.length).toBeGreaterThan(0)
      const result = await corpus.add(documents)
      expect(result.added + result.unchanged).toBe(40)
      expect(await corpus.stats()).toMatchObject({ documents: 40, pendingVectors: 0 })
    }),
  )

  test(
    'an aborted search rejects at once',
    withCorpus(async (corpus) => {
      await corpus.add(bread)
      const controller = new AbortController()
      const search = corpus.search('loaf', { signal: controller.signal })
      controller.abort()
      await expect(search).rejects.toMatchObject({ code: 'aborted' })
      expect(await corpus.search('loaf')).not.toEqual([])
    }),
  )

  test(
    'what a caller gets or gave can be changed without harm',
    withCorpus(async (corpus) => {
      const metadata = { kind: 'recipe' }
      const input = { id: 'x', title: 'X', text: 'Flour and water.', metadata }
      const frozen = Object.freeze({ ...input, metadata: Object.freeze({ ...metadata }) })
      await corpus.add([frozen])
      const [hit] = await corpus.search('flour')
      const source = hit?.source ?? { metadata: {}, headings: [] }
      ;(source.metadata as Record<string, string>).kind = 'changed'
      ;(source.headings as string[]).push('changed')
      const [again] = await corpus.search('flour')
      expect(again?.source).toEqual({ id: 'x', title: 'X', headings: [], metadata: { kind: 'recipe' } })
    }),
  )
}

import { bread, type CreateCorpusContext, expectWholeHits, orbit, tea, withCorpus } from './corpus-context.js'
import { codeOf } from './outcome.js'
import type { TestRunner } from './test-runner.js'

/** What a search finds and gives. */
export function testSearching({ test, expect }: TestRunner, create: CreateCorpusContext): void {
  test(
    'adds documents, says how, and finds them in each mode',
    withCorpus(create, async (corpus) => {
      const result = await corpus.add([bread, orbit, tea])
      expect(result).toMatchObject({ added: 3, updated: 0, unchanged: 0, failed: [] })
      expect(result.ids).toEqual(['https://example.test/bread', 'orbit', '茶'])
      for (const mode of ['hybrid', 'keyword', 'vector'] as const) {
        const hits = await corpus.search('how long does a loaf bake in the oven', { mode })
        await expectWholeHits(expect, corpus, hits)
        expect(hits[0]?.source).toMatchObject({ id: 'https://example.test/bread', title: 'Bread' })
        expect(hits[0]?.source.metadata).toEqual({ kind: 'recipe', year: 2020 })
        expect(hits[0]?.ranks.keyword).toBe(mode === 'vector' ? undefined : 1)
        expect(hits[0]?.ranks.vector).toBe(mode === 'keyword' ? undefined : 1)
      }
    }),
  )

  test(
    'finds Chinese by keyword, also a single character',
    withCorpus(create, async (corpus) => {
      await corpus.add([bread, orbit, tea])
      for (const query of ['红茶产于哪里？', '福建', '茶']) {
        const hits = await corpus.search(query, { mode: 'keyword' })
        await expectWholeHits(expect, corpus, hits)
        expect(hits[0]?.source.id).toBe('茶')
      }
    }),
  )

  test(
    'a search for words that occur nowhere gives nothing by keyword, and an empty one nothing at all',
    withCorpus(create, async (corpus) => {
      await corpus.add([bread, orbit])
      expect(await corpus.search('zyzzyva', { mode: 'keyword' })).toEqual([])
      expect(await corpus.search('   ')).toEqual([])
      expect(await corpus.search('')).toEqual([])
    }),
  )

  test(
    'a query of 10,000 words, one in another script, and a filter on what no document has give a defined result',
    withCorpus(create, async (corpus) => {
      await corpus.add([bread, orbit])
      const long = `${Array.from({ length: 10_000 }, (_, n) => `nothing${n}z`).join(' ')} sourdough starter`
      expect((await corpus.search(long, { mode: 'keyword' }))[0]?.source.title).toBe('Bread')
      expect(await corpus.search('Ελληνικά και κάτι άλλο', { mode: 'keyword' })).toEqual([])
      for (const mode of ['hybrid', 'keyword', 'vector'] as const) {
        expect(await corpus.search('loaf', { mode, where: { nowhere: 1 } })).toEqual([])
        expect(await corpus.search('loaf', { mode, where: { constructor: null } })).toEqual([])
      }
    }),
  )

  test(
    'wrong search options are named',
    withCorpus(create, async (corpus) => {
      await corpus.add(bread)
      for (const options of [{ topK: 0 }, { topK: 1.5 }, { mode: 'fuzzy' as 'hybrid' }]) {
        expect(await codeOf(corpus.search('loaf', options))).toBe('invalid-argument')
      }
    }),
  )

  test(
    'where reaches both legs',
    withCorpus(create, async (corpus) => {
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
    withCorpus(create, async (corpus) => {
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
    withCorpus(create, async (_, context) => {
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
        await expectWholeHits(expect, corpus, hits)
      }
      const [best] = await corpus.search('topic7', { mode: 'keyword' })
      expect(best?.source.headings).toContain('Part 7')
    }),
  )

  test(
    'an aborted search rejects at once',
    withCorpus(create, async (corpus) => {
      await corpus.add(bread)
      const controller = new AbortController()
      const search = corpus.search('loaf', { signal: controller.signal })
      controller.abort()
      expect(await codeOf(search)).toBe('aborted')
      expect(await corpus.search('loaf')).not.toEqual([])
    }),
  )

  test(
    'what a caller gets or gave can be changed without harm',
    withCorpus(create, async (corpus) => {
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

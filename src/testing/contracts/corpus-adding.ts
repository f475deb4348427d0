import { bread, type CreateCorpusContext, collect, orbit, withCorpus } from './corpus-context.js'
import { codeOf } from './outcome.js'
import type { TestRunner } from './test-runner.js'

/** What `add` takes in, tells and leaves behind. */
export function testAdding({ test, expect }: TestRunner, create: CreateCorpusContext): void {
  test(
    'adding the same again changes nothing; another text is an update that keeps the place',
    withCorpus(create, async (corpus) => {
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
    withCorpus(create, async (corpus) => {
      await corpus.add(bread)
      expect(await corpus.add({ ...bread, metadata: { kind: 'recipe', year: 2024 } })).toMatchObject({ updated: 1 })
      expect((await corpus.list())[0]?.metadata).toEqual({ kind: 'recipe', year: 2024 })
    }),
  )

  test(
    'progress is told for each document, its last word being ready, unchanged or failed',
    withCorpus(create, async (corpus) => {
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
    withCorpus(create, async (corpus) => {
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
    withCorpus(create, async (corpus) => {
      // biome-ignore lint/suspicious/noExplicitAny: what a caller without types may do.
      const wrong = { title: 'no text' } as any
      expect(await codeOf(corpus.add([bread, wrong]))).toBe('invalid-argument')
      expect(await codeOf(collect(corpus.add(wrong)))).toBe('invalid-argument')
      expect(await corpus.list()).toEqual([])
    }),
  )

  test(
    'two adds at once lose nothing',
    withCorpus(create, async (corpus) => {
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
    withCorpus(create, async (corpus) => {
      const documents = Array.from({ length: 40 }, (_, n) => ({
        id: `doc${n}`,
        text: `Document ${n} about subject${n}. `.repeat(20),
      }))
      const controller = new AbortController()
      const run = corpus.add(documents, { signal: controller.signal })
      const watch = async () => {
        for await (const part of run) if (part.type === 'ready') controller.abort()
      }
      expect(await codeOf(watch())).toBe('aborted')
      expect(await codeOf(run)).toBe('aborted')
      const kept = await corpus.list()
      expect(kept.length).toBeGreaterThan(0)
      const result = await corpus.add(documents)
      expect(result.added + result.unchanged).toBe(40)
      expect(await corpus.stats()).toMatchObject({ documents: 40, pendingVectors: 0 })
    }),
  )
}

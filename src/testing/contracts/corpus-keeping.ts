import { bread, type CreateCorpusContext, orbit, tea, withCorpus } from './corpus-context.js'
import { codeOf } from './outcome.js'
import type { TestRunner } from './test-runner.js'

/** What is listed, removed, kept and carried over. */
export function testKeeping({ test, expect }: TestRunner, create: CreateCorpusContext): void {
  test(
    'remove and clear take documents out of list, search and store',
    withCorpus(create, async (corpus) => {
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
    withCorpus(create, async (corpus) => {
      await corpus.add([bread, tea])
      const stats = await corpus.stats()
      expect(stats).toMatchObject({ documents: 2, pendingVectors: 0 })
      expect(stats.dimensions).toBeGreaterThan(0)
      expect(typeof stats.embedder).toBe('string')
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
    withCorpus(create, async (corpus, context) => {
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
    'a document is renamed, moved and given other metadata without its text; adding its file again does not undo it',
    withCorpus(create, async (corpus) => {
      await corpus.add([bread, orbit, tea])
      const before = await corpus.get('orbit')
      expect(await corpus.update('orbit', { title: 'Satellites and quasars', url: 'https://example.test/o' })).toBe(
        true,
      )
      expect(await corpus.get('orbit')).toEqual({
        ...before,
        title: 'Satellites and quasars',
        url: 'https://example.test/o',
      })
      expect((await corpus.search('quasars', { mode: 'keyword' }))[0]?.source.id).toBe('orbit')
      expect(await corpus.search('orbits', { mode: 'keyword', where: { kind: 'fiction' } })).toEqual([])
      expect(await corpus.update('orbit', { id: 'moved', url: null, metadata: { kind: 'fiction' } })).toBe(true)
      expect(await corpus.get('orbit')).toBeUndefined()
      for (const mode of ['keyword', 'vector', 'hybrid'] as const) {
        const [hit] = await corpus.search('period of an orbit', { mode, where: { kind: 'fiction' } })
        expect(hit?.source).toMatchObject({ id: 'moved', title: 'Satellites and quasars' })
        expect(hit?.source.url).toBeUndefined()
      }
      expect((await corpus.list()).map(({ id }) => id)).toEqual(['https://example.test/bread', 'moved', '茶'])
      expect(await corpus.stats()).toMatchObject({ documents: 3, pendingVectors: 0 })
      expect(await corpus.add({ ...orbit, id: 'moved' })).toMatchObject({ unchanged: 1 })
      expect((await corpus.get('moved'))?.title).toBe('Satellites and quasars')
    }),
  )

  test(
    'an update of what is not there, or to what cannot be, changes nothing',
    withCorpus(create, async (corpus) => {
      await corpus.add([bread, orbit])
      expect(await corpus.update('nobody', { title: 'X' })).toBe(false)
      expect(await codeOf(corpus.update('orbit', { id: 'https://example.test/bread' }))).toBe('invalid-argument')
      // biome-ignore lint/suspicious/noExplicitAny: what a caller without types may do.
      const wrong: any[] = [null, { id: '' }, { title: 5 }, { url: 5 }, { metadata: { a: {} } }]
      for (const changes of wrong) expect(await codeOf(corpus.update('orbit', changes))).toBe('invalid-argument')
      expect((await corpus.list()).map(({ id, title }) => [id, title])).toEqual([
        ['https://example.test/bread', 'Bread'],
        ['orbit', 'Orbits'],
      ])
    }),
  )

  test(
    'export and import carry a corpus whole',
    withCorpus(create, async (corpus, context) => {
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
    withCorpus(create, async (corpus) => {
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
      for (const [blob, code] of wrong) expect(await codeOf(corpus.import(blob))).toBe(code)
      expect(await corpus.list()).toEqual([])
    }),
  )

  test(
    'corpora are apart, and are listed and deleted by name',
    withCorpus(create, async (corpus, context) => {
      const other = await context.open('a/b c?')
      await Promise.all([corpus.add(bread), other.add(orbit)])
      expect(await context.list()).toEqual(['a/b c?', 'handbook'].sort())
      expect(await corpus.search('satellite', { mode: 'keyword' })).toEqual([])
      expect(await context.delete('a/b c?')).toBe(true)
      expect(await context.delete('a/b c?')).toBe(false)
      expect(await context.list()).toEqual(['handbook'])
      expect((await corpus.list()).map(({ title }) => title)).toEqual(['Bread'])
      expect(await codeOf(context.open(''))).toBe('invalid-argument')
    }),
  )
}

import { expect, origins, test } from './setup.js'

test.describe('the stored index of a corpus', () => {
  test('two pages that add at once agree, and a third one opens what they stored', async ({ blank, context }) => {
    const count = 30
    const storage = 'two-pages'
    const other = await context.newPage()
    await other.goto(new URL('/pages/blank.html', origins().home).href)
    const add = (page: typeof blank, prefix: string) =>
      page.evaluate(async ([name, own, size]) => (await import('/pages/corpus-index.js')).add(name, own, size), [
        storage,
        prefix,
        count,
      ] as const)
    const look = (page: typeof blank) =>
      page.evaluate(
        async ([name, size]) => (await import('/pages/corpus-index.js')).look(name, ['left', 'right'], size),
        [storage, count] as const,
      )
    expect(await Promise.all([add(blank, 'left'), add(other, 'right')])).toEqual([
      { added: count, failed: [] },
      { added: count, failed: [] },
    ])
    const ids = ['left', 'right'].flatMap((prefix) => Array.from({ length: count }, (_, n) => `${prefix}${n}`))
    for (const page of [blank, other]) {
      expect(await look(page)).toEqual({ documents: 2 * count, found: ids, warnings: [] })
    }

    const moved = await blank.evaluate(
      async (name) => (await import('/pages/corpus-index.js')).change(name, 'left3', { id: 'moved', title: 'Herons' }),
      storage,
    )
    expect(moved).toBe(true)
    const seen = await other.evaluate(
      async (name) => (await import('/pages/corpus-index.js')).search(name, 'herons'),
      storage,
    )
    expect(seen).toEqual([['moved', 'Herons']])

    const keys = () =>
      blank.evaluate(async (name) => (await import('/pages/corpus-index.js')).keysEnding(name, '/words'), storage)
    await expect.poll(async () => (await keys()).length).toBeGreaterThan(0)
    await blank.close()
    const third = await context.newPage()
    await third.goto(new URL('/pages/blank.html', origins().home).href)
    const after = await look(third)
    expect(after).toEqual({
      documents: 2 * count,
      found: ids.map((id) => (id === 'left3' ? 'moved' : id)),
      warnings: [],
    })
  })

  test('a worker that dies while it stores the index costs nothing that was added', async ({ blank }) => {
    const delaysMs = [0, 5, 20, 60, 200]
    const seen = await blank.evaluate(
      async (delays) => (await import('/pages/corpus-index.js')).killWhileStoring('killed-storing', delays),
      delaysMs,
    )
    expect(seen).toEqual(
      delaysMs.map((_, round) => ({ documents: (round + 1) * 30, found: (round + 1) * 30, warnings: [] })),
    )
  })
})

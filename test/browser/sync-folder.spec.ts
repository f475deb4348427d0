import { expect, test } from './setup.js'

test('a folder handle crosses to the worker, and a corpus follows the folder', async ({ blank }) => {
  const seen = await blank.evaluate(async () => {
    const { createAlcove } = (await import('/dist/index.js')) as typeof import('alcove')
    const alcove = createAlcove({ model: 'extractive', maxDownloadBytes: 0, storage: { name: 'sync-folder' } })
    const corpus = await alcove.corpus('folder', { vectors: 'none' })
    const root = await navigator.storage.getDirectory()
    const folder = await root.getDirectoryHandle('notes', { create: true })
    const below = await folder.getDirectoryHandle('below', { create: true })
    const write = async (into: FileSystemDirectoryHandle, name: string, text: string) => {
      const writable = await (await into.getFileHandle(name, { create: true })).createWritable()
      await writable.write(text)
      await writable.close()
    }
    await write(folder, 'heron.md', '# Heron\n\nIt waits in shallow water.')
    await write(below, 'heron.md', '# Another\n\nIt has flown.')
    const counts = async () => {
      const { added, updated, unchanged, removed, failed } = await corpus.sync(folder)
      return [added, updated, unchanged, removed, failed.length]
    }
    const first = await counts()
    await write(below, 'heron.md', '# Another\n\nIt is back, with a kingfisher.')
    const second = await counts()
    await folder.removeEntry('heron.md')
    const third = await counts()
    const ids = (await corpus.list()).map(({ id }) => id)
    const found = (await corpus.search('kingfisher')).map(({ source }) => source.id)
    await root.removeEntry('notes', { recursive: true })
    const gone = await corpus.sync(folder).then(
      () => 'synced',
      (error) => error.code,
    )
    const kept = (await corpus.list()).length
    await alcove.close()
    return { first, second, third, ids, found, gone, kept }
  })
  expect(seen).toEqual({
    first: [2, 0, 0, 0, 0],
    second: [0, 1, 1, 0, 0],
    third: [0, 0, 1, 1, 0],
    ids: ['notes/below/heron.md'],
    found: ['notes/below/heron.md'],
    gone: 'not-found',
    kept: 1,
  })
})

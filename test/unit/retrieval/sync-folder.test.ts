import { afterEach, describe, expect, test } from 'vitest'
import type { FolderFile } from '../../../src/protocol/corpus.js'
import { type CorpusHost, createCorpusHost } from '../../../src/retrieval/corpus.js'
import { parseDocument } from '../../../src/retrieval/parse/parse.js'
import { createMemoryStore } from '../../../src/store/store.js'

const hosts: CorpusHost[] = []
afterEach(async () => {
  for (const host of hosts.splice(0)) await host.close()
})

async function openCorpus() {
  const host = createCorpusHost({ store: createMemoryStore(), parse: parseDocument })
  hosts.push(host)
  return await host.open('c')
}

const files = (texts: Record<string, string>): FolderFile[] =>
  Object.entries(texts).map(([path, text]) => ({ path, file: new Blob([text]) }))

/** A directory handle, as the File System Access API gives it. */
function directory(name: string, entries: Record<string, unknown>): FileSystemDirectoryHandle {
  const children = Object.entries(entries).map(([child, value]) => [
    child,
    typeof value === 'string'
      ? { kind: 'file', name: child, getFile: async () => new File([value], child) }
      : directory(child, value as Record<string, unknown>),
  ])
  return {
    kind: 'directory',
    name,
    async *entries() {
      yield* children
    },
  } as unknown as FileSystemDirectoryHandle
}

describe('a folder', () => {
  test('is added, followed as it changes, and what is gone is removed', async () => {
    const corpus = await openCorpus()
    await corpus.add({ id: 'own', text: 'A note of my own.' })
    const first = { 'docs/a.md': '# Herons', 'docs/deep/a.md': '# Swallows', 'docs/gone.md': '# Gone', 'docs/.x': 'no' }
    expect(await corpus.sync(files(first))).toMatchObject({
      added: 3,
      updated: 0,
      unchanged: 0,
      removed: 0,
      failed: [],
    })
    expect((await corpus.list()).map(({ id }) => id).sort()).toEqual([
      'docs/a.md',
      'docs/deep/a.md',
      'docs/gone.md',
      'own',
    ])
    const second = { 'docs/a.md': '# Herons', 'docs/deep/a.md': '# Kingfishers', 'docs/new.md': '# New' }
    expect(await corpus.sync(files(second))).toMatchObject({ added: 1, updated: 1, unchanged: 1, removed: 1 })
    expect((await corpus.search('kingfishers'))[0]?.source.id).toBe('docs/deep/a.md')
    expect(await corpus.get('docs/gone.md')).toBeUndefined()
    expect(await corpus.get('own')).toBeDefined()
  })

  test('is walked by its handle', async () => {
    const corpus = await openCorpus()
    const tree = { 'b.md': '# Bees', deep: { 'a.md': '# Ants', '.git': { x: 'no' } }, '.hidden': 'no' }
    expect(await corpus.sync(directory('docs', tree))).toMatchObject({
      added: 2,
      removed: 0,
      ids: ['docs/b.md', 'docs/deep/a.md'],
    })
    expect(await corpus.sync(directory('docs', { 'b.md': '# Bees' }))).toMatchObject({ unchanged: 1, removed: 1 })
    expect(await corpus.sync(directory('docs', {}))).toMatchObject({ ids: [], removed: 1 })
  })

  test('that cannot be read removes nothing', async () => {
    const corpus = await openCorpus()
    await corpus.sync(files({ 'docs/a.md': '# Ants', 'docs/b.md': '# Bees' }))
    const broken = directory('docs', { 'a.md': '# Ants' })
    const denied = Object.assign(broken, {
      async *entries() {
        yield ['a.md', { kind: 'file', getFile: () => Promise.reject(new DOMException('no', 'NotAllowedError')) }]
      },
    })
    await expect(corpus.sync(denied)).rejects.toMatchObject({ code: 'permission-denied' })
    for (const wrong of [[], files({ 'a.md': 'x' }), files({ 'docs/a.md': 'x', 'other/b.md': 'y' }), {}, null]) {
      await expect(corpus.sync(wrong as never)).rejects.toMatchObject({ code: 'invalid-argument' })
    }
    await expect(corpus.sync(files({ 'docs/c.md': 'x' }), { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'aborted',
    })
    expect(await corpus.list()).toHaveLength(2)
  })

  test('keeps a document whose file cannot be read any more', async () => {
    const corpus = await openCorpus()
    await corpus.sync(files({ 'docs/a.md': '# Ants', 'docs/b.md': '# Bees' }))
    const result = await corpus.sync(files({ 'docs/a.md': '# Ants', 'docs/b.md': '' }))
    expect(result).toMatchObject({ unchanged: 1, removed: 0, failed: [{ title: 'docs/b.md', code: 'document-empty' }] })
    expect((await corpus.get('docs/b.md'))?.text).toContain('Bees')
  })
})

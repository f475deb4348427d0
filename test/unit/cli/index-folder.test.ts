import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { indexFolder } from '../../../cli/index-folder.js'
import { createCorpusHost } from '../../../src/retrieval/corpus.js'
import { parseDocument } from '../../../src/retrieval/parse/parse.js'
import { createMemoryStore } from '../../../src/store/store.js'

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'alcove-index-'))
  mkdirSync(join(folder, 'deep', 'node_modules'), { recursive: true })
  writeFileSync(join(folder, 'birds.md'), '# Birds\n\nThe heron waits by the water.')
  writeFileSync(join(folder, 'deep', 'tea.html'), '<title>Tea</title><p>绿茶 is not fermented.</p>')
  writeFileSync(join(folder, 'deep', 'table.csv'), 'city,river\nParis,Seine\nWien,Donau\n')
  writeFileSync(join(folder, 'deep', 'node_modules', 'not.md'), 'Of no interest.')
  writeFileSync(join(folder, '.secret'), 'Of no interest.')
  writeFileSync(
    join(folder, 'noise.bin'),
    Uint8Array.from({ length: 2000 }, (_, at) => (at * 7919) % 256),
  )
  writeFileSync(join(folder, 'broken.pdf'), '%PDF-1.4 broken')
  writeFileSync(join(folder, 'index.alcove'), 'An older one.')
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const index = (options = {}) =>
  indexFolder(folder, { output: join(folder, 'index.alcove'), name: 'docs', onProgress: () => {}, ...options })

async function importFile(file: Uint8Array) {
  const host = createCorpusHost({ store: createMemoryStore(), parse: parseDocument })
  const corpus = await host.open('copy')
  await corpus.import(new Blob([file as Uint8Array<ArrayBuffer>]))
  return { corpus, close: () => host.close() }
}

describe('indexing a folder', () => {
  test('takes the documents of all kinds, by path, and names what it leaves out', async () => {
    const { file, result, skipped } = await index({ baseUrl: 'https://example.org/docs/' })
    expect(result.ids).toEqual(['birds.md', 'deep/table.csv', 'deep/tea.html'])
    expect(result.failed.map(({ title, code }) => [title, code])).toEqual([['broken.pdf', 'parse-failed']])
    expect(skipped).toEqual(['noise.bin'])
    const { corpus, close } = await importFile(file)
    const found = async (query: string) => (await corpus.search(query, { topK: 1 }))[0]?.source
    expect(await found('heron')).toMatchObject({
      id: 'birds.md',
      title: 'Birds',
      url: 'https://example.org/docs/birds.md',
    })
    expect(await found('绿茶')).toMatchObject({ id: 'deep/tea.html', title: 'Tea' })
    expect((await corpus.get('deep/table.csv'))?.text).toContain('Wien | Donau')
    await close()
  })

  test('gives the same bytes for the same files, and others for others', async () => {
    const first = await index()
    expect(Buffer.compare((await index()).file, first.file)).toBe(0)
    writeFileSync(join(folder, 'birds.md'), '# Birds\n\nThe heron has gone.')
    expect(Buffer.compare((await index()).file, first.file)).not.toBe(0)
  })

  test('takes the model of a folder, whose vectors are known by the name that a page gives it', async (context) => {
    const models = process.env.ALCOVE_MODELS_DIR
    context.skip(models === undefined, 'ALCOVE_MODELS_DIR names no models')
    const { file } = await index({ model: join(models ?? '', 'all-MiniLM-L6-v2') })
    const header = new TextDecoder().decode(file.slice(16, 16 + new DataView(file.buffer).getUint32(8, true)))
    expect(JSON.parse(header).codes).toMatchObject({
      embedder: 'transformers:all-MiniLM-L6-v2@|q8|mean||',
      dimensions: 384,
      documents: ['birds.md', 'deep/table.csv', 'deep/tea.html'],
    })
  }, 120_000)

  test('of a folder or with a model that is not there fails with a typed error', async () => {
    await expect(indexFolder(join(folder, 'nowhere'), { output: '', onProgress: () => {} })).rejects.toMatchObject({
      code: 'not-found',
    })
    await expect(index({ model: 'webllm:Something' })).rejects.toMatchObject({ code: 'invalid-argument' })
  })
})

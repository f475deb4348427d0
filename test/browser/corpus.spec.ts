import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, models, test } from './setup.js'

const dataFolder = process.env.ALCOVE_DATA_DIR

/** The first documents of a judged set, with some of the questions that they answer. */
function readSet(name: string, size: number) {
  const folder = join(dataFolder ?? '', 'retrieval', name)
  const lines = (file: string) => readFileSync(join(folder, file), 'utf8').trim().split('\n')
  const rows = (file: string) =>
    lines(file).map((line) => JSON.parse(line) as { _id: string; title: string; text: string })
  const documents = rows('docs.jsonl').slice(0, size)
  const ids = new Set(documents.map(({ _id }) => _id))
  const answers = new Map(lines('qrels.tsv').map((line) => line.split('\t') as [string, string]))
  const queries = rows('queries.jsonl')
    .map(({ _id, text }) => ({ text, relevant: [answers.get(_id) ?? ''] }))
    .filter(({ relevant: [id = ''] }) => ids.has(id))
  return {
    documents: documents.map(({ _id, title, text }) => ({ id: _id, title, text })),
    queries: queries.filter((_, at) => at % 4 === 0),
  }
}

const hasSet = (name: string): boolean =>
  dataFolder !== undefined && existsSync(join(dataFolder, 'retrieval', name, 'docs.jsonl'))

test.describe('corpora in a worker', () => {
  test('documents of several kinds are found, and are there after a reload without embedding again', async ({
    blank,
  }) => {
    const first = await blank.evaluate(async () => (await import('/pages/corpus.js')).basics('reload'))
    expect(first.result).toMatchObject({
      added: 22,
      failed: [{ title: 'broken.pdf', code: 'parse-failed', hint: expect.stringMatching(/.{10}/) }],
    })
    expect(first).toMatchObject({ english: 'herons.html', chinese: '茶', spansHold: true, warnings: [] })
    expect(first.stats).toMatchObject({ documents: 22, dimensions: 64, embedder: 'page:words', pendingVectors: 0 })
    expect(first.usage.corpora.bytes).toBeGreaterThan(0)
    expect(first.usage.embeddings.entries).toBeGreaterThan(20)
    await blank.reload()
    const second = await blank.evaluate(async () => (await import('/pages/corpus.js')).afterReload('reload'))
    expect(second).toMatchObject({
      names: ['handbook'],
      best: 'herons.html',
      spansHold: true,
      again: { added: 0, updated: 0, unchanged: 20 },
      documents: 22,
    })
    expect(second.ranks).toMatchObject({ keyword: 1 })
    expect(second.embeddedTexts, 'the question, if that is not kept as well').toBeLessThanOrEqual(1)
  })

  test('a worker that dies in an add loses at most what it was at', async ({ blank }) => {
    const result = await blank.evaluate(async () => (await import('/pages/corpus.js')).killInAdd('killed'))
    expect(result.killed).toBe('worker-crashed')
    expect(result.kept).toBeGreaterThan(0)
    expect(result.kept).toBeLessThan(300)
    expect(result.all).toBe(300)
    expect(result.stats).toMatchObject({ documents: 300, pendingVectors: 0 })
  })

  test('an aborted add and an aborted search settle with the code, and what was added stays', async ({ blank }) => {
    const result = await blank.evaluate(async () => (await import('/pages/corpus.js')).abort('aborted'))
    expect(result).toMatchObject({ add: { code: 'aborted' }, search: { code: 'aborted' } })
    expect(result.kept).toBeGreaterThan(0)
    expect(result.kept).toBeLessThan(500)
  })

  for (const { set, size, least } of [
    { set: 'xquad-en', size: 40, least: { keyword: 0.9, vector: 0.9, hybrid: 0.93 } },
    // The model knows no Chinese: hybrid must not let it spoil what the words find.
    { set: 'cmrc2018-dev', size: 24, least: { keyword: 0.95, hybrid: 0.95 } },
  ]) {
    test(`a judged set with a real model: ${set}`, async ({ blank }) => {
      test.skip(!models.embedding || !hasSet(set), 'needs the small embedding model and the judged sets')
      const judged = readSet(set, size)
      expect(judged.queries.length).toBeGreaterThanOrEqual(15)
      const result = await blank.evaluate(
        async ({ name, judged }) =>
          (await import('/pages/corpus.js')).judge(name, '/models/', '/dist/workers/', judged),
        { name: set, judged },
      )
      expect(result.added).toBe(judged.documents.length)
      expect(result.stats).toMatchObject({ dimensions: 384, pendingVectors: 0 })
      expect(result.warnings).toEqual([])
      expect(result.statuses).toBeGreaterThan(0)
      for (const [mode, score] of Object.entries(least)) expect(result.scores[mode], mode).toBeGreaterThanOrEqual(score)
    })
  }
})

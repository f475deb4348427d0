import type { AddProgress, Corpus, CorpusOptions, Hit } from '../../protocol/corpus.js'
import type { TestRunner } from './test-runner.js'

/** What the suite runs on: one host of corpora, as a page has it. */
export interface CorpusContext {
  open(name: string, options?: CorpusOptions): Promise<Corpus>
  list(): Promise<string[]>
  delete(name: string): Promise<boolean>
  /** A second look at what is stored, as after a reload. */
  reopen(): Promise<CorpusContext>
  close(): Promise<void>
}

/** Makes a host with an embedding model, with nothing stored. */
export type CreateCorpusContext = () => Promise<CorpusContext>

export const bread = {
  title: 'Bread',
  url: 'https://example.test/bread',
  text: 'Sourdough needs a starter of flour and water.\n\nBake the loaf for forty minutes in a hot oven.',
  metadata: { kind: 'recipe', year: 2020 },
}
export const orbit = {
  id: 'orbit',
  title: 'Orbits',
  text: 'A satellite falls around the planet. Its period grows with the height of the orbit.',
  metadata: { kind: 'science', year: 2021 },
}
export const tea = {
  title: '茶',
  text: '绿茶不经过发酵。红茶是全发酵茶,产于福建。',
  metadata: { kind: 'recipe', year: 2021 },
}

/** A test that gets a corpus of a host of its own. */
export function withCorpus(
  create: CreateCorpusContext,
  work: (corpus: Corpus, context: CorpusContext) => Promise<void>,
): () => Promise<void> {
  return async () => {
    const context = await create()
    try {
      await work(await context.open('handbook'), context)
    } finally {
      await context.close()
    }
  }
}

export async function collect(run: AsyncIterable<AddProgress>): Promise<AddProgress[]> {
  const parts: AddProgress[] = []
  for await (const part of run) parts.push(part)
  return parts
}

/** There are hits, best first, each once, and each span cuts its text out of the stored document. */
export async function expectWholeHits(
  expect: TestRunner['expect'],
  corpus: Corpus,
  hits: readonly Hit[],
): Promise<void> {
  expect(hits.length).toBeGreaterThan(0)
  for (const hit of hits) {
    const document = await corpus.get(hit.source.id)
    expect(document?.text.slice(...hit.span)).toBe(hit.text)
    expect(hit.text.trim()).not.toBe('')
  }
  expect(hits.map(({ score }) => score)).toEqual(hits.map(({ score }) => score).sort((a, b) => b - a))
  expect(new Set(hits.map(({ id }) => id)).size).toBe(hits.length)
}

import { type AlcoveLibrary, loadAlcove } from './lib/alcove.js'
import { missingModel, openClient } from './lib/client.js'
import { type JudgedQuery, type JudgedSet, loadJudgedSet, ndcgAt10, recallAt10, reciprocalRank } from './lib/judged.js'
import { createRandom, sample } from './lib/random.js'
import type { BenchContext, Figure, Report } from './lib/result.js'

export const what = 'Retrieval quality on judged sets: hybrid search against each of its two legs alone.'

type Mode = 'hybrid' | 'keyword' | 'vector'

interface SetChoice {
  readonly name: string
  /** A sample where embedding all would take many minutes on one thread of WebAssembly. */
  readonly documents: number
  readonly queries: number
}

const choices: readonly SetChoice[] = [
  { name: 'xquad-en', documents: 240, queries: 400 },
  { name: 'cmrc2018-dev', documents: 200, queries: 200 },
]

/** The first documents, and as many queries of theirs by chance. */
function take(set: JudgedSet, { documents, queries }: SetChoice): JudgedSet {
  const kept = set.documents.slice(0, documents)
  const ids = new Set(kept.map(({ id }) => id))
  const own = set.queries.filter(({ relevant }) => [...relevant].every((id) => ids.has(id)))
  return { ...set, documents: kept, queries: sample(createRandom(13), own, queries) }
}

type Corpus = Awaited<ReturnType<ReturnType<typeof openClient>['corpus']>>

const measures = [
  { unit: 'nDCG@10', of: ndcgAt10 },
  { unit: 'recall@10', of: recallAt10 },
  { unit: 'MRR', of: reciprocalRank },
] as const

/** Means over the queries, in the order of `measures`. */
async function measureMode(corpus: Corpus, queries: readonly JudgedQuery[], mode: Mode): Promise<number[]> {
  const sums = measures.map(() => 0)
  for (const { text, relevant } of queries) {
    // Several passages of one document count once, so more are asked for than are judged.
    const hits = await corpus.search(text, { mode, topK: 30 })
    const ranking = [...new Set(hits.map(({ source }) => source.id))]
    for (const [at, { of }] of measures.entries()) sums[at] = (sums[at] ?? 0) + of(ranking, relevant)
  }
  return sums.map((sum) => sum / queries.length)
}

async function measureSet(library: AlcoveLibrary, context: BenchContext, set: JudgedSet): Promise<Figure[]> {
  const client = openClient(library, context, {
    model: 'extractive',
    embedder: 'transformers:all-MiniLM-L6-v2',
    storage: { name: 'bench-quality' },
  })
  const corpus = await client.corpus(set.name)
  const { failed } = await corpus.add(set.documents)
  if (failed.length > 0) throw new Error(`${set.name}: ${failed.length} documents failed, first ${failed[0]?.message}`)
  const scores: Record<Mode, readonly number[]> = { hybrid: [], keyword: [], vector: [] }
  for (const mode of ['keyword', 'vector', 'hybrid'] as const) {
    scores[mode] = await measureMode(corpus, set.queries, mode)
  }
  await client.close()
  return measures.map(({ unit }, at) => ({
    what: `Hybrid search, ${set.name} (${set.documents.length} documents, ${set.queries.length} queries)`,
    unit,
    value: scores.hybrid[at] ?? 0,
    baselines: [
      { what: 'keyword leg alone', value: scores.keyword[at] ?? 0 },
      { what: 'vector leg alone', value: scores.vector[at] ?? 0 },
    ].sort((a, b) => b.value - a.value),
    goal: { on: 'ratio', least: 1 },
  }))
}

/** The documents and queries of several sets in one. */
function mix(sets: readonly JudgedSet[]): JudgedSet {
  return {
    name: 'both in one corpus',
    documents: sets.flatMap(({ documents }) => documents),
    queries: sets.flatMap(({ queries }) => queries),
    isSynthetic: false,
  }
}

/** Runs the benchmark in this page. */
export async function run(context: BenchContext): Promise<Report> {
  const missing = missingModel(context, 'all-MiniLM-L6-v2')
  if (missing !== undefined) return { figures: [], notes: [], skipped: [missing] }
  const library = await loadAlcove()
  const figures: Figure[] = []
  const skipped: string[] = []
  const taken: JudgedSet[] = []
  for (const choice of choices) {
    const set = await loadJudgedSet(context, choice.name)
    if (set === undefined) {
      skipped.push(`${choice.name} is not here (name its folder in ALCOVE_DATA_DIR)`)
      continue
    }
    const size = context.quick ? { ...choice, documents: 12, queries: 10 } : choice
    taken.push(take(set, size))
  }
  for (const set of taken.length > 1 ? [...taken, mix(taken)] : taken) {
    figures.push(...(await measureSet(library, context, set)))
  }
  return {
    figures,
    notes: [
      'MiniLM (English only) in every case; on the Chinese set hybrid search has to find out that the vector leg knows nothing.',
      'No figure of this model is published for either set.',
      'Documents are chunked by the defaults, and a document ranks as its best passage; samples are drawn with a seed.',
    ],
    skipped,
  }
}

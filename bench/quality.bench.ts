import { type AlcoveLibrary, loadAlcove } from './lib/alcove.js'
import { missingModel, openClient } from './lib/client.js'
import { type JudgedQuery, type JudgedSet, loadJudgedSet, ndcgAt10 } from './lib/judged.js'
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

async function measureMode(corpus: Corpus, queries: readonly JudgedQuery[], mode: Mode): Promise<number> {
  let sum = 0
  for (const { text, relevant } of queries) {
    // Several passages of one document count once, so more are asked for than are judged.
    const hits = await corpus.search(text, { mode, topK: 30 })
    sum += ndcgAt10([...new Set(hits.map(({ source }) => source.id))], relevant)
  }
  return sum / queries.length
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
  const scores: Record<Mode, number> = { hybrid: 0, keyword: 0, vector: 0 }
  for (const mode of ['keyword', 'vector', 'hybrid'] as const) {
    scores[mode] = await measureMode(corpus, set.queries, mode)
  }
  await client.close()
  const legs = [
    { what: 'keyword leg alone', value: scores.keyword },
    { what: 'vector leg alone', value: scores.vector },
  ].sort((a, b) => b.value - a.value)
  return [
    {
      what: `Hybrid search, ${set.name} (${set.documents.length} documents, ${set.queries.length} queries)`,
      unit: 'nDCG@10',
      value: scores.hybrid,
      baselines: legs,
      goal: { on: 'ratio', least: 1 },
    },
  ]
}

/** Runs the benchmark in this page. */
export async function run(context: BenchContext): Promise<Report> {
  const missing = missingModel(context, 'all-MiniLM-L6-v2')
  if (missing !== undefined) return { figures: [], notes: [], skipped: [missing] }
  const library = await loadAlcove()
  const figures: Figure[] = []
  const skipped: string[] = []
  for (const choice of choices) {
    const set = await loadJudgedSet(context, choice.name)
    if (set === undefined) {
      skipped.push(`${choice.name} is not here (name its folder in ALCOVE_DATA_DIR)`)
      continue
    }
    const size = context.quick ? { ...choice, documents: 12, queries: 10 } : choice
    figures.push(...(await measureSet(library, context, take(set, size))))
  }
  return {
    figures,
    notes: [
      'MiniLM (English only) in every case; on the Chinese set hybrid search has to find out that the vector leg knows nothing.',
      'Documents are chunked by the defaults, and a document ranks as its best passage; samples are drawn with a seed.',
    ],
    skipped,
  }
}

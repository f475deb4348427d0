import { type AlcoveLibrary, type AlcoveTesting, loadAlcove, loadTesting } from './lib/alcove.js'
import { missingModel, openClient } from './lib/client.js'
import { type JudgedSet, loadOrMakeJudgedSet, multiplyDocuments, reasonsOf } from './lib/judged.js'
import { createRandom, sample } from './lib/random.js'
import { type BenchContext, type Figure, measureOf, type Report } from './lib/result.js'
import { itemOf, takeTurns, timeOf } from './lib/rounds.js'
import { summarize } from './lib/statistics.js'

export const what =
  'A corpus through the public interface: adding it, adding it again, opening it when it is stored, and searching it.'

const dimensions = 384
const storageOf = (chunkCount: number) => ({ name: `bench-corpus-${chunkCount}` })
const corpusName = 'passages'
/** Passages in a document: some thousand documents, as a large collection has. */
const passagesPerDocument = 20

/** Documents of several sections, each of which becomes a chunk. */
function createDocuments(set: JudgedSet, chunkCount: number) {
  const passages = multiplyDocuments(set, chunkCount)
  return Array.from({ length: Math.ceil(chunkCount / passagesPerDocument) }, (_, index) => {
    const own = passages.slice(index * passagesPerDocument, (index + 1) * passagesPerDocument)
    return {
      id: `document-${index}`,
      title: `Document ${index}`,
      mediaType: 'text/markdown',
      text: own.map(({ title, text }, place) => `## ${place + 1} ${title}\n\n${text}`).join('\n\n'),
    }
  })
}

/** A collection of many chunks, with an embedder that costs nothing: what the corpus itself takes. */
async function measureLarge(
  library: AlcoveLibrary,
  testing: AlcoveTesting,
  context: BenchContext,
  set: JudgedSet,
  chunkCount: number,
): Promise<{ figures: Figure[]; notes: string[] }> {
  const documents = createDocuments(set, chunkCount)
  const storage = storageOf(chunkCount)
  const open = () =>
    openClient(library, context, { storage, model: 'extractive', embedder: testing.hashEmbedder({ dimensions }) })
  const first = open()
  const corpus = await first.corpus(corpusName)
  const addMs = await timeOf(() => corpus.add(documents))
  const { chunks, bytes } = await corpus.stats()
  const againMs = await timeOf(async () => {
    const { unchanged } = await corpus.add(documents)
    if (unchanged !== documents.length) throw new Error(`expected all unchanged, got ${unchanged}`)
  })
  const queries = sample(createRandom(5), set.queries, context.quick ? 10 : 100).map(({ text }) => text)
  const search = (mode: 'hybrid' | 'keyword' | 'vector') => (round: number) =>
    timeOf(() => corpus.search(itemOf(queries, round), { mode }))
  const searches = await takeTurns(
    { hybrid: search('hybrid'), keyword: search('keyword'), vector: search('vector') },
    { rounds: queries.length, warmUp: Math.min(10, queries.length) },
  )
  await first.close()

  const opened: number[] = []
  for (let round = 0; round < (context.quick ? 1 : 3); round++) {
    const client = open()
    opened.push(
      await timeOf(async () => {
        const stored = await client.corpus(corpusName)
        const hits = await stored.search(itemOf(queries, round))
        if (hits.length === 0) throw new Error('expected hits from the stored corpus, got none')
      }),
    )
    await client.close()
  }
  const size = `${chunks.toLocaleString('en')} chunks × ${dimensions}`
  const goal = (bound: object) => (chunkCount !== 50_000 ? {} : { goal: bound as NonNullable<Figure['goal']> })
  return {
    figures: [
      {
        what: `Hybrid search, ${size}`,
        unit: 'ms',
        ...measureOf(summarize(searches.hybrid)),
        ...goal({ on: 'p95', most: 20 }),
      },
      { what: `Keyword search alone, ${size}`, unit: 'ms', ...measureOf(summarize(searches.keyword)) },
      { what: `Vector search alone, ${size}`, unit: 'ms', ...measureOf(summarize(searches.vector)) },
      {
        what: `Opening the stored corpus until its first search has answered, ${size}`,
        unit: 'ms',
        ...measureOf(summarize(opened)),
        ...goal({ on: 'value', most: 1_000 }),
      },
      { what: `Adding ${size}, parsed, chunked, indexed and stored`, unit: 'ms', value: addMs },
      { what: `Adding the same again, ${size}`, unit: 'ms', value: againMs },
      { what: `What it keeps, ${size}`, unit: 'bytes', value: bytes },
    ],
    notes: [
      `${documents.length.toLocaleString('en')} Markdown documents, ${chunks.toLocaleString('en')} chunks. The embedder hashes words on the page, so a query's embedding costs next to nothing, but texts and vectors cross to the worker and back.`,
    ],
  }
}

/** What a real embedding model makes of the first time, against the second time, which must embed nothing. */
async function measureUnchanged(library: AlcoveLibrary, context: BenchContext, set: JudgedSet): Promise<Figure> {
  const documents = set.documents.slice(0, context.quick ? 4 : 100)
  const client = openClient(library, context, {
    storage: storageOf(0),
    model: 'extractive',
    embedder: 'transformers:all-MiniLM-L6-v2',
  })
  const corpus = await client.corpus('unchanged')
  // The model is loaded by this, so that its load does not count as time of adding.
  await corpus.add({ id: 'first', title: 'First', text: 'A first text, so that the model is loaded.' })
  const firstMs = await timeOf(() => corpus.add(documents))
  const again: number[] = []
  for (let round = 0; round < 3; round++) {
    again.push(
      await timeOf(async () => {
        const { unchanged } = await corpus.add(documents)
        if (unchanged !== documents.length) throw new Error(`expected all unchanged, got ${unchanged}`)
      }),
    )
  }
  await client.close()
  return {
    what: `Adding ${documents.length} unchanged documents again, embedded with MiniLM`,
    unit: 'ms',
    ...measureOf(summarize(again)),
    baselines: [{ what: 'the first time', value: firstMs }],
    goal: { on: 'ratio', most: 0.01 },
  }
}

/** Runs the benchmark in this page. */
export async function run(context: BenchContext): Promise<Report> {
  const [library, testing] = await Promise.all([loadAlcove(), loadTesting()])
  const set = await loadOrMakeJudgedSet(context, 'xquad-en')
  const reports: { figures: Figure[]; notes: string[] }[] = []
  for (const count of context.quick ? [400] : [1_000, 10_000, 50_000, 100_000]) {
    reports.push(await measureLarge(library, testing, context, set, count))
  }
  const figures = reports.flatMap((report) => report.figures)
  const notes = reports.flatMap((report) => report.notes)
  const skipped = reasonsOf(set)
  const missing = missingModel(context, 'all-MiniLM-L6-v2')
  if (missing !== undefined) skipped.push(`adding an unchanged corpus again: ${missing}`)
  else figures.push(await measureUnchanged(library, context, set))
  return { figures, notes, skipped }
}

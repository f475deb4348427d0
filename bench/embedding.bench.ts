import { wrap } from 'comlink'
import type { BarePipeline } from './embedding.worker.js'
import { type AlcoveLibrary, loadAlcove } from './lib/alcove.js'
import { missingModel, openClient } from './lib/client.js'
import { loadOrMakeJudgedSet, multiplyDocuments, reasonsOf } from './lib/judged.js'
import { type BenchContext, type Figure, measureOf, type Report } from './lib/result.js'
import { sleep, timeOf } from './lib/rounds.js'
import { summarize } from './lib/statistics.js'

export const what =
  'Embedding chunks through a corpus, against the bare pipeline in its best batches and one call for each text; what a query waits meanwhile.'

const folder = 'all-MiniLM-L6-v2'
const batchSizes = [1, 2, 4, 8, 16, 32]

interface Texts {
  /** What is embedded. */
  readonly texts: readonly string[]
  /** The same, as documents of a corpus. */
  readonly documents: readonly { readonly id: string; readonly text: string; readonly mediaType?: string }[]
}

/** Passages of some 150 tokens, twenty to a document. */
function createPassages(passages: readonly { readonly title: string; readonly text: string }[]): Texts {
  // None so short that it would share a chunk with its neighbour.
  const texts = passages.map(({ title, text }, place) => {
    const whole = `${text} ${passages[(place + 1) % passages.length]?.text} ${text}`.replace(/\s+/g, ' ')
    return `## ${place} ${title}\n\n${whole.slice(0, 640)}`
  })
  const perDocument = 20
  const documents = Array.from({ length: Math.ceil(texts.length / perDocument) }, (_, index) => ({
    id: `document-${index}`,
    mediaType: 'text/markdown',
    text: texts.slice(index * perDocument, (index + 1) * perDocument).join('\n\n'),
  }))
  return { texts, documents }
}

/** Notes of up to some 25 tokens, each a document. */
function createNotes(passages: readonly { readonly text: string }[]): Texts {
  const texts = passages.map(({ text }, place) => {
    const from = text.indexOf(' ', place % 200) + 1
    return `Note ${place}: ${text.slice(from, from + 30 + (place % 5) * 15)}`
  })
  return { texts, documents: texts.map((text, index) => ({ id: `note-${index}`, text })) }
}

async function openBare(context: BenchContext) {
  const worker = new Worker(new URL('./embedding.worker.ts', import.meta.url), { type: 'module' })
  const bare = wrap<BarePipeline>(worker)
  await bare.load(context.modelsUrl ?? '', new URL('/dist/workers/', location.href).href, folder)
  return { bare, close: () => worker.terminate() }
}

/** Times of the bare pipeline: each text alone, and in the batches that a sample shows to be best, sorted by length. */
async function measureBare(context: BenchContext, { texts }: Texts) {
  const { bare, close } = await openBare(context)
  const sorted = texts.toSorted((a, b) => a.length - b.length)
  const sample = sorted.filter((_, index) => index % Math.ceil(sorted.length / 32) === 0)
  let best = { size: 1, ms: Number.POSITIVE_INFINITY }
  for (const size of batchSizes) {
    const ms = await bare.embed(sample, size)
    if (ms < best.ms) best = { size, ms }
  }
  const aloneMs = await bare.embed(texts, 1)
  const bestMs = best.size === 1 ? aloneMs : await bare.embed(sorted, best.size)
  close()
  return { aloneMs, bestMs: Math.min(aloneMs, bestMs), bestSize: best.size }
}

async function openCorpus(library: AlcoveLibrary, context: BenchContext, name: string) {
  const client = openClient(library, context, {
    storage: { name: `bench-embedding-${name}` },
    model: 'extractive',
    embedder: `transformers:${folder}`,
  })
  const corpus = await client.corpus('chunks')
  // The model is loaded by this, so that its load does not count.
  await corpus.add({ id: 'first', text: 'A first text, so that the model is warm.' })
  return { client, corpus }
}

async function measureCorpus(library: AlcoveLibrary, context: BenchContext, name: string, { texts, documents }: Texts) {
  const { client, corpus } = await openCorpus(library, context, name)
  const ms = await timeOf(() => corpus.add(documents))
  const { chunks, pendingVectors } = await corpus.stats()
  await client.close()
  if (chunks !== texts.length + 1 || pendingVectors > 0) {
    throw new Error(`expected ${texts.length + 1} chunks with vectors, got ${chunks}, ${pendingVectors} without`)
  }
  return ms
}

/** How long searches take while passages are embedded. */
async function measureQueries(library: AlcoveLibrary, context: BenchContext, { documents }: Texts) {
  const { client, corpus } = await openCorpus(library, context, 'queries')
  let isOver = false
  const adding = corpus.add(documents).then(() => {
    isOver = true
  })
  await sleep(500)
  const waits: number[] = []
  while (!isOver && waits.length < 40) {
    waits.push(await timeOf(() => corpus.search(`what is said of subject ${waits.length}`, { mode: 'vector' })))
    await sleep(120)
  }
  await adding
  await client.close()
  return waits
}

function compare(name: string, count: number, corpusMs: number, bare: Awaited<ReturnType<typeof measureBare>>) {
  const perSecond = (ms: number): number => (count / ms) * 1000
  const figure = (what: string, baseline: string, baselineMs: number, least?: number): Figure => ({
    what,
    unit: '',
    value: perSecond(corpusMs),
    baselines: [{ what: baseline, value: perSecond(baselineMs) }],
    ...(least !== undefined && { goal: { on: 'ratio', least } }),
  })
  return [
    figure(`${name} a second through the corpus`, `bare pipeline, batches of ${bare.bestSize}`, bare.bestMs, 0.95),
    figure(`${name} a second, against single calls`, 'bare pipeline, one call a text', bare.aloneMs),
  ]
}

/** Runs the benchmark in this page. */
export async function run(context: BenchContext): Promise<Report> {
  const missing = missingModel(context, folder)
  if (missing !== undefined) return { figures: [], notes: [], skipped: [missing] }
  const library = await loadAlcove()
  const set = await loadOrMakeJudgedSet(context, 'xquad-en')
  const passages = createPassages(multiplyDocuments(set, context.quick ? 20 : 160))
  const notes = createNotes(multiplyDocuments(set, context.quick ? 40 : 600))
  const bareNotes = await measureBare(context, notes)
  const notesMs = await measureCorpus(library, context, 'notes', notes)
  const barePassages = await measureBare(context, passages)
  const passagesMs = await measureCorpus(library, context, 'passages', passages)
  const few = passages.documents.slice(0, context.quick ? 1 : 6)
  const waits = await measureQueries(library, context, { ...passages, documents: few })
  const shortFigures = compare('Notes of up to 32 tokens', notes.texts.length, notesMs, bareNotes)
  return {
    figures: [
      ...compare('Passages of some 150 tokens', passages.texts.length, passagesMs, barePassages),
      ...shortFigures.map((figure, index) =>
        index === 1 && !context.quick ? { ...figure, goal: { on: 'ratio', least: 2 } as const } : figure,
      ),
      {
        what: 'A search by meaning while passages are embedded, with its own embedding',
        unit: 'ms',
        ...measureOf(summarize(waits)),
      },
    ],
    notes: [
      `${passages.texts.length} passages in ${passages.documents.length} documents, ${notes.texts.length} notes of a document each, MiniLM int8 on WebAssembly, one thread. The time through the corpus has parsing, chunking by tokens, indexing and storing in it.`,
    ],
    skipped: reasonsOf(set),
  }
}

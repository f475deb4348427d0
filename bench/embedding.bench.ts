import { wrap } from 'comlink'
import type { BarePipeline } from './embedding.worker.js'
import { type AlcoveLibrary, loadAlcove } from './lib/alcove.js'
import { missingModel, openClient } from './lib/client.js'
import { loadOrMakeJudgedSet, multiplyDocuments, reasonsOf } from './lib/judged.js'
import { keepSoFar } from './lib/keep.js'
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

type Bare = Awaited<ReturnType<typeof openBare>>['bare']

async function openBare(context: BenchContext) {
  const worker = new Worker(new URL('./embedding.worker.ts', import.meta.url), { type: 'module' })
  const bare = wrap<BarePipeline>(worker)
  await bare.load(context.modelsUrl ?? '', new URL('/dist/workers/', location.href).href, folder)
  return { bare, close: () => worker.terminate() }
}

/** Milliseconds for all texts: sorted by length, in the batches that a sample shows to be best, and one call a text. */
interface BareTimes {
  readonly aloneMs: number
  readonly bestMs: number
  readonly bestSize: number
}

/** Every so many of a list, so that about `count` are left. */
const thin = <T>(items: readonly T[], count: number): T[] =>
  items.filter((_, index) => index % Math.ceil(items.length / count) === 0)

/** The batch size with which the bare pipeline is fastest, by a sample of the texts. */
async function findBestSize(bare: Bare, sorted: readonly string[]): Promise<number> {
  const sample = thin(sorted, 64)
  let best = { size: 1, ms: Number.POSITIVE_INFINITY }
  for (const size of batchSizes) {
    const ms = Math.min(await bare.embed(sample, size), await bare.embed(sample, size))
    if (ms < best.ms) best = { size, ms }
  }
  return best.size
}

/** @param sampleSize texts that are embedded one call each: the rest takes as long */
async function measureBare(bare: Bare, { texts }: Texts, bestSize: number, sampleSize: number): Promise<BareTimes> {
  const sorted = texts.toSorted((a, b) => a.length - b.length)
  const some = thin(texts, sampleSize)
  const aloneMs = ((await bare.embed(some, 1)) * texts.length) / some.length
  const bestMs = bestSize === 1 ? aloneMs : await bare.embed(sorted, bestSize)
  return { aloneMs, bestMs: Math.min(aloneMs, bestMs), bestSize }
}

/** Two bare pipelines at once, each in a worker of its own with half of the texts: what two cores can do. */
async function measurePair(context: BenchContext, first: Bare, { texts }: Texts): Promise<number> {
  const second = await openBare(context)
  const half = Math.ceil(texts.length / 2)
  const ms = await timeOf(() =>
    Promise.all([first.embed(texts.slice(0, half), 1), second.bare.embed(texts.slice(half), 1)]),
  )
  second.close()
  return ms
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

const median = (samples: readonly number[]): number => summarize(samples).median

interface Timed {
  readonly name: string
  readonly count: number
  readonly corpusMs: readonly number[]
  readonly bare: readonly BareTimes[]
}

/** Texts a second through the corpus, against both ways to use the bare pipeline; of several rounds the median. */
function compare({ name, count, corpusMs, bare }: Timed, leastOverAlone?: number): Figure[] {
  const perSecond = (ms: readonly number[]): number => (count / median(ms)) * 1000
  const figure = (what: string, baseline: string, baselineMs: readonly number[], least?: number): Figure => ({
    what,
    unit: '',
    value: perSecond(corpusMs),
    samples: corpusMs.length,
    baselines: [{ what: baseline, value: perSecond(baselineMs) }],
    ...(least !== undefined && { goal: { on: 'ratio', least } }),
  })
  const batches = `bare pipeline, batches of ${bare[0]?.bestSize}`
  return [
    figure(
      `${name} a second through the corpus`,
      batches,
      bare.map(({ bestMs }) => bestMs),
      0.95,
    ),
    figure(
      `${name} a second, against single calls`,
      'bare pipeline, one call a text',
      bare.map(({ aloneMs }) => aloneMs),
      leastOverAlone,
    ),
  ]
}

/** Notes: some rounds in turns, as each takes seconds only; and what the bare pipeline could do at best. */
async function measureNotes(library: AlcoveLibrary, context: BenchContext, bare: Bare, notes: Texts) {
  const bestSize = await findBestSize(
    bare,
    notes.texts.toSorted((a, b) => a.length - b.length),
  )
  const times: { corpusMs: number[]; bare: BareTimes[]; pairMs: number[] } = { corpusMs: [], bare: [], pairMs: [] }
  for (let round = 0; round < (context.quick ? 1 : 3); round++) {
    times.bare.push(await measureBare(bare, notes, bestSize, notes.texts.length))
    times.corpusMs.push(await measureCorpus(library, context, `notes-${round}`, notes))
    times.pairMs.push(await measurePair(context, bare, notes))
  }
  const aloneMs = median(times.bare.map((one) => one.aloneMs))
  const limit = (what: string, ms: readonly number[]): Figure => ({
    what: `Limit of the machine on notes: ${what}, against one call a text in one worker`,
    unit: '×',
    value: aloneMs / median(ms),
  })
  return [
    ...compare(
      { name: 'Notes of up to 32 tokens', count: notes.texts.length, ...times },
      context.quick ? undefined : 2,
    ),
    limit(
      `bare pipeline in batches of ${bestSize}`,
      times.bare.map(({ bestMs }) => bestMs),
    ),
    limit('two bare pipelines in two workers at once', times.pairMs),
  ]
}

async function measurePassages(library: AlcoveLibrary, context: BenchContext, bare: Bare, passages: Texts) {
  const bestSize = await findBestSize(
    bare,
    thin(
      passages.texts.toSorted((a, b) => a.length - b.length),
      16,
    ),
  )
  const times = await measureBare(bare, passages, bestSize, 200)
  const corpusMs = await measureCorpus(library, context, 'passages', passages)
  return compare({
    name: 'Passages of some 150 tokens',
    count: passages.texts.length,
    corpusMs: [corpusMs],
    bare: [times],
  })
}

/** Runs the benchmark in this page. */
export async function run(context: BenchContext): Promise<Report> {
  const missing = missingModel(context, folder)
  if (missing !== undefined) return { figures: [], notes: [], skipped: [missing] }
  const library = await loadAlcove()
  const set = await loadOrMakeJudgedSet(context, 'xquad-en')
  const count = context.quick ? 40 : 1_000
  const notes = createNotes(multiplyDocuments(set, count))
  const passages = createPassages(multiplyDocuments(set, context.quick ? 20 : count))
  const { bare, close } = await openBare(context)
  const figures: Figure[] = []
  const report: Report = {
    figures,
    notes: [
      `${passages.texts.length} passages in ${passages.documents.length} documents, ${notes.texts.length} notes of a document each, MiniLM int8 on WebAssembly, one thread a worker (the page is not cross-origin isolated). The time through the corpus has parsing, chunking by tokens, indexing and storing in it, and in a long add the loading of a copy of the model in a second worker.`,
      'One call a text is measured on all notes and on 200 of the passages.',
    ],
    skipped: reasonsOf(set),
  }
  figures.push(...(await measureNotes(library, context, bare, notes)))
  await keepSoFar(what, report)
  const few = passages.documents.slice(0, context.quick ? 1 : 12)
  const waits = await measureQueries(library, context, { ...passages, documents: few })
  figures.push({
    what: 'A search by meaning while passages are embedded, with its own embedding',
    unit: 'ms',
    ...measureOf(summarize(waits)),
  })
  await keepSoFar(what, report)
  figures.push(...(await measurePassages(library, context, bare, passages)))
  close()
  return report
}

import { type ChunkOptions, chunkDocument } from '../src/retrieval/chunk/chunk.js'
import { estimateTokens } from '../src/retrieval/chunk/estimate-tokens.js'
import { findMarkdownHeadings } from '../src/retrieval/parse/markdown.js'
import { type AlcoveLibrary, loadAlcove } from './lib/alcove.js'
import { missingModel, openClient } from './lib/client.js'
import { type JudgedSet, loadJudgedSet, loadOrMakeJudgedSet, multiplyDocuments, reasonsOf } from './lib/judged.js'
import { createRandom, sample } from './lib/random.js'
import { type BenchContext, type Figure, measureOf, type Report } from './lib/result.js'
import { takeTurns, timeOf } from './lib/rounds.js'
import { summarize } from './lib/statistics.js'

export const what =
  'Cutting Markdown documents to chunks, with a counter of tokens that costs next to nothing; what semantic cuts and context headers do to retrieval.'

const chunkTokens = 256

/** Megabytes a second, of UTF-8, in rounds. */
async function measure(
  text: string,
  context: BenchContext,
  more: Partial<ChunkOptions>,
): Promise<Omit<Figure, 'what'>> {
  const document = { text, headings: findMarkdownHeadings(text), pages: [] }
  const countTokens = async (texts: readonly string[]) => texts.map(estimateTokens)
  const options: ChunkOptions = { chunkTokens, overlapTokens: 32, countTokens, ...more }
  const bytes = new TextEncoder().encode(text).length
  const cut = () =>
    timeOf(async () => {
      const chunks = await chunkDocument(document, options)
      if (chunks.length < bytes / 4_000) throw new Error(`expected some ${bytes / 1_000} chunks, got ${chunks.length}`)
    })
  const { cut: times } = await takeTurns({ cut }, { rounds: context.quick ? 2 : 12, warmUp: context.quick ? 0 : 2 })
  return { unit: 'MB/s', ...measureOf(summarize(times.map((ms) => bytes / 1_000 / ms))) }
}

const model = 'all-MiniLM-L6-v2'
/** Paragraphs that are made one document. */
const paragraphsEach = 5

interface Joined {
  readonly documents: readonly { readonly id: string; readonly title: string; readonly text: string }[]
  /** Where each paragraph of the set stands. */
  readonly places: ReadonlyMap<string, { readonly id: string; readonly span: readonly [number, number] }>
}

/** Documents of several paragraphs of the set, with a blank line between them or with nothing that shows where they part. */
function joinParagraphs(set: JudgedSet, count: number, separator: string): Joined {
  const documents: Joined['documents'][number][] = []
  const places = new Map<string, { id: string; span: readonly [number, number] }>()
  for (let from = 0; from < count; from += paragraphsEach) {
    const id = `joined-${from}`
    const own = set.documents.slice(from, Math.min(from + paragraphsEach, count))
    let text = ''
    for (const paragraph of own) {
      if (text !== '') text += separator
      const start = text.length
      text += paragraph.text.replace(/\s+/g, ' ').trim()
      places.set(paragraph.id, { id, span: [start, text.length] })
    }
    documents.push({ id, title: own[0]?.title ?? id, text })
  }
  return { documents, places }
}

/** Mean reciprocal rank, up to ten, of the first hit that lies in the paragraph that answers, by more than half of its length. */
async function scoreChunks(
  library: AlcoveLibrary,
  context: BenchContext,
  { joined, queries, options, name }: { joined: Joined; queries: JudgedSet['queries']; options: object; name: string },
) {
  const client = openClient(library, context, {
    model: 'extractive',
    embedder: `transformers:${model}`,
    storage: { name: `bench-chunker-${name}` },
  })
  const corpus = await client.corpus('joined', options)
  const { failed } = await corpus.add(joined.documents)
  if (failed.length > 0) throw new Error(`${failed.length} documents failed, first ${failed[0]?.message}`)
  const sums = { vector: 0, hybrid: 0 }
  for (const mode of ['vector', 'hybrid'] as const) {
    for (const { text, relevant } of queries) {
      const hits = await corpus.search(text, { mode, topK: 10 })
      const rank = hits.findIndex(({ source, span }) =>
        [...relevant].some((id) => {
          const place = joined.places.get(id)
          if (place?.id !== source.id) return false
          const shared = Math.min(span[1], place.span[1]) - Math.max(span[0], place.span[0])
          return shared > (span[1] - span[0]) / 2
        }),
      )
      if (rank >= 0) sums[mode] += 1 / (rank + 1)
    }
  }
  const { chunks } = await corpus.stats()
  await client.close()
  return { vector: sums.vector / queries.length, hybrid: sums.hybrid / queries.length, chunks }
}

/** What semantic cuts and context headers do to retrieval, on text with and without paragraphs. */
async function measureQuality(context: BenchContext, set: JudgedSet): Promise<{ figures: Figure[]; notes: string[] }> {
  const library = await loadAlcove()
  const count = context.quick ? 10 : 60
  const ids = new Set(set.documents.slice(0, count).map(({ id }) => id))
  const own = set.queries.filter(({ relevant }) => [...relevant].every((id) => ids.has(id)))
  const queries = sample(createRandom(13), own, context.quick ? 10 : 100)
  const figures: Figure[] = []
  const notes: string[] = []
  for (const [separator, label] of [
    ['\n\n', 'paragraphs'],
    [' ', 'no paragraphs'],
  ] as const) {
    const joined = joinParagraphs(set, count, separator)
    const score = (name: string, options: object) =>
      scoreChunks(library, context, { joined, queries, options, name: `${label.replace(' ', '-')}-${name}` })
    const structure = await score('structure', {})
    const variants = {
      'semantic chunks': await score('semantic', { chunking: 'semantic' }),
      'context headers': await score('header', { contextHeader: true }),
    }
    for (const [what, found] of Object.entries(variants)) {
      for (const mode of ['vector', 'hybrid'] as const) {
        figures.push({
          what: `MRR@10 of ${mode} search with ${what}, text with ${label}`,
          unit: '',
          value: found[mode],
          baselines: [{ what: 'without', value: structure[mode] }],
        })
      }
      notes.push(`Text with ${label}: ${found.chunks} chunks with ${what}, ${structure.chunks} without.`)
    }
  }
  notes.push(`${count} paragraphs of ${set.name}, ${paragraphsEach} to a document, ${queries.length} questions.`)
  return { figures, notes }
}

/** Runs the benchmark in this page. */
export async function run(context: BenchContext): Promise<Report> {
  const figures: Figure[] = []
  const skipped: string[] = []
  for (const [name, label] of [
    ['xquad-en', 'English'],
    ['cmrc2018-dev', 'Chinese'],
  ] as const) {
    const set = await loadOrMakeJudgedSet(context, name)
    skipped.push(...reasonsOf(set))
    const passages = multiplyDocuments(set, context.quick ? 100 : 2_000)
    const text = passages.map(({ title, text }, place) => `## ${place} ${title}\n\n${text}`).join('\n\n')
    figures.push({ what: `${label} Markdown to chunks`, ...(await measure(text, context, {})) })
    figures.push({
      what: `${label} Markdown to chunks with context headers`,
      ...(await measure(text, context, { contextTitle: 'A collection' })),
    })
  }
  const notes = [`Chunks of ${chunkTokens} tokens, 32 of overlap.`]
  const judged = await loadJudgedSet(context, 'xquad-en')
  const missing =
    judged === undefined ? 'quality of chunking: the judged set is not here' : missingModel(context, model)
  if (judged === undefined || missing !== undefined) return { figures, notes, skipped: [...skipped, missing ?? ''] }
  const quality = await measureQuality(context, judged)
  return { figures: [...figures, ...quality.figures], notes: [...notes, ...quality.notes], skipped }
}

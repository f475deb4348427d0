import { type ChunkOptions, chunkDocument } from '../src/retrieval/chunk/chunk.js'
import { estimateTokens } from '../src/retrieval/chunk/estimate-tokens.js'
import { findMarkdownHeadings } from '../src/retrieval/parse/markdown.js'
import { loadOrMakeJudgedSet, multiplyDocuments, reasonsOf } from './lib/judged.js'
import { type BenchContext, type Figure, measureOf, type Report } from './lib/result.js'
import { takeTurns, timeOf } from './lib/rounds.js'
import { summarize } from './lib/statistics.js'

export const what = 'Cutting Markdown documents to chunks, with a counter of tokens that costs next to nothing.'

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
  return { figures, notes: [`Chunks of ${chunkTokens} tokens, 32 of overlap.`], skipped }
}

import type { AddProgress, AddResult } from '../protocol/corpus.js'
import { type AlcoveError, isAlcoveError, toAlcoveError } from '../protocol/error.js'
import type { EmbeddingModel } from '../protocol/model.js'
import { abortError, throwIfAborted } from '../runtime/abort.js'
import { createLimiter } from '../runtime/limiter.js'
import { writtenIn } from '../text/script.js'
import { type Chunk, chunkDocument } from './chunk/chunk.js'
import { estimateTokens } from './chunk/estimate-tokens.js'
import { chunkTextsOf } from './corpus-index.js'
import { type PreparedInput, readInput, titleOf } from './document-input.js'
import type { TextEmbedder } from './embed.js'
import { type ParsedDocument, type ParseInput, type ParseOptions, parserVersion } from './parse/parse.js'
import type { ChunkTable, DocumentContent, DocumentEntry } from './storage/corpus-layout.js'
import type { NewEntry, PutResult } from './storage/corpus-store.js'

/** Reads a file or text of any kind: `parseDocument`, or a pool of workers that calls it. */
export type Parse = (input: ParseInput, options?: ParseOptions) => Promise<ParsedDocument>

/** What an add needs of the corpus that it adds to. */
export interface IngestContext {
  readonly parse: Parse
  readonly chunkTokens: number
  readonly overlapTokens: number
  /** Place in the corpus of the first input; the others follow. */
  readonly firstOrder: number
  readonly embedder: TextEmbedder | undefined
  readonly signal: AbortSignal
  readonly report: (progress: AddProgress) => void
  /** Told why vectors could not be made; the document goes in without. */
  readonly onWarning: (error: AlcoveError) => void
  entryOf(id: string): Promise<DocumentEntry | undefined>
  /** Stores a document and makes it searchable. */
  commit(entry: NewEntry, content: DocumentContent, embedder: string | undefined): Promise<PutResult['type']>
}

type Outcome =
  | { readonly type: 'added' | 'updated' | 'unchanged'; readonly id: string }
  | { readonly type: 'failed'; readonly title: string; readonly error: AlcoveError }

/** Documents in work at one time: enough to keep parsers and model busy, few enough for memory. */
const maxDocumentsAtOnce = 6
/** Special tokens that a model puts around a text. */
const specialTokens = 2

/** Adds documents side by side; each succeeds or fails alone. Rejects only with the signal's error. */
export async function ingestDocuments(inputs: readonly PreparedInput[], context: IngestContext): Promise<AddResult> {
  const limiter = createLimiter(maxDocumentsAtOnce)
  const lines = new Map<string, Promise<unknown>>()
  const outcomes = await Promise.allSettled(inputs.map((input) => limiter.run(() => ingestOne(input, context, lines))))
  if (context.signal.aborted) throw abortError(context.signal)
  return summarize(outcomes.map((outcome) => (outcome.status === 'fulfilled' ? outcome.value : raise(outcome.reason))))
}

function raise(error: unknown): never {
  throw error
}

function summarize(outcomes: readonly Outcome[]): AddResult {
  const count = (type: Outcome['type']): number => outcomes.filter((outcome) => outcome.type === type).length
  const ids = outcomes.flatMap((outcome) => (outcome.type === 'failed' ? [] : [outcome.id]))
  const failed = outcomes.flatMap((outcome) =>
    outcome.type === 'failed' ? [{ title: outcome.title, ...infoOf(outcome.error) }] : [],
  )
  return {
    ids: [...new Set(ids)],
    added: count('added'),
    updated: count('updated'),
    unchanged: count('unchanged'),
    failed,
  }
}

const infoOf = ({ code, message, hint }: AlcoveError) => ({ code, message, hint })

async function ingestOne(
  input: PreparedInput,
  context: IngestContext,
  lines: Map<string, Promise<unknown>>,
): Promise<Outcome> {
  const { index, name: title, id } = input
  throwIfAborted(context.signal)
  context.report({ type: 'reading', index, title })
  // Two inputs of one add may be the same document: the later one is an update of the earlier, so it waits for it.
  const before = id === undefined ? undefined : lines.get(id)
  const work = (before ?? Promise.resolve()).then(() => storeOne(input, context))
  const over = work.catch(() => {})
  if (id !== undefined) lines.set(id, over)
  try {
    return await work
  } catch (thrown) {
    throwIfAborted(context.signal)
    const error = toAlcoveError(thrown, 'parse-failed', `'${title}' cannot be read`)
    context.report({ type: 'failed', index, title, error: infoOf(error) })
    return { type: 'failed', title, error }
  }
}

async function storeOne(input: PreparedInput, context: IngestContext): Promise<Outcome> {
  const { index } = input
  const { chunkTokens, overlapTokens } = context
  throwIfAborted(context.signal)
  const read = await readInput(input, { parserVersion, chunkTokens, overlapTokens })
  throwIfAborted(context.signal)
  const { id, contentHash } = read
  const existing = await context.entryOf(id)
  if (existing?.contentHash === contentHash) {
    context.report({ type: 'unchanged', index, title: existing.title, id })
    return { type: 'unchanged', id }
  }
  const { parse, signal, embedder } = context
  const hints = { name: input.fileName, mediaType: input.mediaType }
  const parsed = await parse({ data: read.data, ...hints }, { signal })
  throwIfAborted(signal)
  const title = titleOf(input, parsed)
  const { chunks, counted } = await cutChunks(parsed, context)
  const table = tabulateChunks(chunks)
  const pages = parsed.pages.length > 0 ? { pages: parsed.pages.length } : {}
  const report = (type: AddProgress['type'], chunksDone: number): void =>
    context.report({ type, index, title, id, chunksDone, chunksTotal: chunks.length, ...pages })
  const vectors = await embedChunks(chunkTextsOf(parsed.text, table), context, (done) => report('embedding', done))
  throwIfAborted(signal)
  const entry: NewEntry = {
    id,
    title,
    ...(input.url !== undefined && { url: input.url }),
    mediaType: parsed.mediaType,
    metadata: input.metadata,
    ...pages,
    contentHash,
    bytes: new TextEncoder().encode(parsed.text).length,
    chunks: chunks.length,
    order: context.firstOrder + index,
    writtenIn: writtenIn(parsed.text),
    tokensCounted: counted,
  }
  const type = await context.commit(entry, { text: parsed.text, table, vectors }, embedder?.key)
  report(type === 'unchanged' ? type : 'ready', vectors === undefined ? 0 : chunks.length)
  return { type, id }
}

/** Cuts a document by the embedding model's tokens, or by an estimate from above where there is no model that counts. */
async function cutChunks(
  parsed: ParsedDocument,
  { chunkTokens, overlapTokens, embedder, signal, onWarning }: IngestContext,
): Promise<{ chunks: Chunk[]; counted: 'model' | 'estimate' }> {
  const limitsOf = (model: EmbeddingModel | undefined) => {
    const longest = longestChunk(chunkTokens, model)
    return { chunkTokens: longest, overlapTokens: Math.min(overlapTokens, Math.floor(longest / 2)), signal }
  }
  const countTokens = embedder?.countTokens
  if (countTokens !== undefined) {
    try {
      // Some models know their limit only then.
      await embedder?.load()
      return { chunks: await chunkDocument(parsed, { ...limitsOf(embedder?.model), countTokens }), counted: 'model' }
    } catch (error) {
      throwIfAborted(signal)
      onWarning(toAlcoveError(error, 'model-load-failed', `tokens cannot be counted with '${embedder?.key}'`))
    }
  }
  const estimate = async (texts: readonly string[]) => texts.map(estimateTokens)
  return {
    chunks: await chunkDocument(parsed, { ...limitsOf(embedder?.model), countTokens: estimate }),
    counted: 'estimate',
  }
}

/** A model cuts off what is over its limit, and its special tokens count there. */
function longestChunk(chunkTokens: number, model: EmbeddingModel | undefined): number {
  const limit =
    model === undefined || !(model.maxTokens > specialTokens) ? chunkTokens : model.maxTokens - specialTokens
  return Math.min(chunkTokens, limit)
}

function tabulateChunks(chunks: readonly Chunk[]): ChunkTable {
  const paths = new Map<string, number>()
  const headings: string[][] = []
  const table = {
    spans: new Uint32Array(chunks.length * 2),
    pages: new Uint32Array(chunks.length),
    headingPath: new Uint32Array(chunks.length),
  }
  for (const [index, chunk] of chunks.entries()) {
    const key = JSON.stringify(chunk.headings)
    const path = paths.get(key) ?? headings.push([...chunk.headings]) - 1
    paths.set(key, path)
    table.spans.set(chunk.span, index * 2)
    table.pages[index] = chunk.page ?? 0
    table.headingPath[index] = path
  }
  return { ...table, headings }
}

/** The vectors end to end; undefined where there is no model, or where it fails: the chunks are then found by keyword, and wait. */
async function embedChunks(
  texts: readonly string[],
  { embedder, signal, onWarning }: IngestContext,
  onProgress: (done: number) => void,
): Promise<Float32Array | undefined> {
  if (embedder === undefined) return undefined
  try {
    return joinVectors(await embedder.documents(texts, { signal, onProgress }))
  } catch (error) {
    throwIfAborted(signal)
    onWarning(isAlcoveError(error) ? error : toAlcoveError(error, 'output-invalid', 'the document was not embedded'))
    return undefined
  }
}

/** Vectors end to end, as they are stored. */
export function joinVectors(vectors: readonly Float32Array[]): Float32Array {
  const dimensions = vectors[0]?.length ?? 0
  const joined = new Float32Array(vectors.length * dimensions)
  for (const [index, vector] of vectors.entries()) joined.set(vector, index * dimensions)
  return joined
}

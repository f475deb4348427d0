import type { AddOptions, AddProgress, AddResult, DocumentWarning } from '../protocol/corpus.js'
import { type AlcoveError, isAlcoveError, toAlcoveError } from '../protocol/error.js'
import type { EmbeddingModel } from '../protocol/model.js'
import { abortable, abortError, throwIfAborted } from '../runtime/abort.js'
import { createLimiter } from '../runtime/limiter.js'
import { writtenIn } from '../text/script.js'
import { type AddMeter, createAddMeter } from './add-meter.js'
import { type Chunk, chunkDocument } from './chunk/chunk.js'
import { createContextHeader, headerLengthFor } from './chunk/context-header.js'
import { estimateTokens } from './chunk/estimate-tokens.js'
import { chunkTextsOf } from './corpus-index.js'
import { type PreparedInput, readInput, titleOf } from './document-input.js'
import type { EmbedDocumentsOptions, TextEmbedder } from './embed.js'
import type { Pace } from './pace.js'
import type { Page } from './parse/document.js'
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
  readonly contextHeader: boolean
  readonly chunking: 'structure' | 'semantic'
  /** `background`: documents go in without vectors, which somebody else makes. */
  readonly vectors: NonNullable<AddOptions['vectors']>
  readonly pace: Pace
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
  | {
      readonly type: 'added' | 'updated' | 'unchanged'
      readonly id: string
      readonly title: string
      readonly warnings?: readonly DocumentWarning[] | undefined
    }
  | { readonly type: 'failed'; readonly title: string; readonly error: AlcoveError }

/** Documents that are read, parsed and cut at one time: enough to keep parsers busy, few enough for memory. */
const maxReadAtOnce = 6
/** Texts in hand up to this length, in UTF-16 code units, are read many at a time: reading one takes turns of the event loop and next to no memory. */
const shortText = 8_192
const maxShortAtOnce = 64
/** While so many chunks wait for their vectors, no further document is read: enough for full batches of tiny documents. */
const maxOpenChunks = 256
/** Special tokens that a model puts around a text. */
const specialTokens = 2

/** What the documents of one add share. */
interface Work {
  readonly context: IngestContext
  readonly meter: AddMeter
  /** Ends of the work on each id so far. */
  readonly lines: Map<string, Promise<unknown>>
  readonly room: Room
  /** Documents that are not cut yet. */
  unread: number
}

/** Adds documents side by side; each succeeds or fails alone. Rejects only with the signal's error. */
export async function ingestDocuments(inputs: readonly PreparedInput[], context: IngestContext): Promise<AddResult> {
  const { pace, signal, report } = context
  const [readers, shortReaders] = [createLimiter(maxReadAtOnce), createLimiter(maxShortAtOnce)]
  const readersOf = ({ source }: PreparedInput): Readers =>
    typeof source === 'string' && source.length <= shortText ? shortReaders : readers
  const meter = createAddMeter({ documents: inputs.length, report })
  const forget = pace.onChange(() => meter.restart())
  const work: Work = { context, meter, lines: new Map(), room: createRoom(maxOpenChunks), unread: inputs.length }
  try {
    const outcomes = await Promise.allSettled(inputs.map((input) => ingestOne(input, work, readersOf(input))))
    if (signal.aborted) throw abortError(signal)
    return summarize(
      outcomes.map((outcome) => (outcome.status === 'fulfilled' ? outcome.value : raise(outcome.reason))),
    )
  } finally {
    forget()
  }
}

/** Lets work in while less than so much is going on. */
interface Room {
  enter(amount: number): void
  leave(amount: number): void
  /** Resolves when there is room. Those who wait come in together, as one may not enter after all. */
  wait(): Promise<void>
}

function createRoom(limit: number): Room {
  let taken = 0
  let waiting: (() => void)[] = []
  return {
    enter(amount) {
      taken += amount
    },
    leave(amount) {
      taken -= amount
      if (taken >= limit) return
      const admitted = waiting
      waiting = []
      for (const admit of admitted) admit()
    },
    async wait() {
      if (taken < limit) return
      await new Promise<void>((resolve) => waiting.push(resolve))
    },
  }
}

/** Resolves when the pace is not that of a pause. */
async function untilResumed(pace: Pace, signal: AbortSignal): Promise<void> {
  while (pace.isPaused) {
    let forget = (): void => {}
    const changed = new Promise<void>((resolve) => {
      forget = pace.onChange(resolve)
    })
    await abortable(changed, signal).finally(forget)
  }
}

function raise(error: unknown): never {
  throw error
}

function summarize(outcomes: readonly Outcome[]): AddResult {
  const count = (type: Outcome['type']): number => outcomes.filter((outcome) => outcome.type === type).length
  const warnings = outcomes.flatMap((outcome) =>
    outcome.type === 'failed'
      ? []
      : (outcome.warnings ?? []).map((one) => ({ ...one, id: outcome.id, title: outcome.title })),
  )
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
    ...(warnings.length > 0 && { warnings }),
  }
}

const infoOf = ({ code, message, hint }: AlcoveError) => ({ code, message, hint })

type Readers = ReturnType<typeof createLimiter>

async function ingestOne(input: PreparedInput, work: Work, readers: Readers): Promise<Outcome> {
  const { index, name: title, id } = input
  const { lines, meter } = work
  const { signal, report, pace } = work.context
  // Two inputs of one add may be the same document: the later one is an update of the earlier, so it waits for it.
  const before = id === undefined ? undefined : lines.get(id)
  const ready = (before ?? Promise.resolve()).then(() =>
    readers.run(async () => {
      await abortable(work.room.wait(), signal)
      await untilResumed(pace, signal)
      report({ type: 'reading', index, title })
      return await readOne(input, work).finally(() => work.unread--)
    }),
  )
  const outcome = ready.then((read) => ('outcome' in read ? read.outcome : storeOne(input, read, work)))
  if (id !== undefined) {
    lines.set(
      id,
      outcome.catch(() => {}),
    )
  }
  try {
    return await outcome
  } catch (thrown) {
    throwIfAborted(signal)
    const error = toAlcoveError(thrown, 'parse-failed', `'${title}' cannot be read`)
    await ready.catch(() => meter.skip())
    report({ type: 'failed', index, title, error: infoOf(error) })
    return { type: 'failed', title, error }
  }
}

/** A document that was read and cut, all but stored. */
interface CutDocument {
  readonly entry: NewEntry
  readonly text: string
  readonly table: ChunkTable
  /** Tokens of what is embedded for each chunk, where the model counted them. */
  readonly tokens: readonly number[] | undefined
  readonly warnings: readonly DocumentWarning[] | undefined
}

async function readOne(input: PreparedInput, work: Work): Promise<{ readonly outcome: Outcome } | CutDocument> {
  const { index } = input
  const { context, meter, room } = work
  const { parse, signal, chunkTokens, overlapTokens, contextHeader, chunking } = context
  throwIfAborted(signal)
  // Options that are as ever leave no trace, so that documents of before count as unchanged.
  const options = { ...(contextHeader && { contextHeader: 1 }), ...(chunking === 'semantic' && { semantic: 1 }) }
  const read = await readInput(input, { parserVersion, chunkTokens, overlapTokens, ...options })
  throwIfAborted(signal)
  const { id, contentHash } = read
  const existing = await context.entryOf(id)
  if (existing?.contentHash === contentHash) {
    meter.skip()
    context.report({ type: 'unchanged', index, title: existing.title, id })
    return { outcome: { type: 'unchanged', id, title: existing.title } }
  }
  const hints = { name: input.fileName, mediaType: input.mediaType }
  const parsed = await parse({ data: read.data, ...hints }, { signal })
  throwIfAborted(signal)
  const title = titleOf(input, parsed)
  const { chunks, counted } = await cutChunks(parsed, title, context)
  throwIfAborted(signal)
  room.enter(chunks.length)
  meter.expect(chunks.length)
  const entry: NewEntry = {
    id,
    title,
    ...(input.url !== undefined && { url: input.url }),
    mediaType: parsed.mediaType,
    metadata: input.metadata,
    ...(parsed.pages.length > 0 && { pages: parsed.pages.length }),
    contentHash,
    bytes: new TextEncoder().encode(parsed.text).length,
    chunks: chunks.length,
    order: context.firstOrder + index,
    writtenIn: writtenIn(parsed.text),
    tokensCounted: counted,
    ...(contextHeader && { headerLength: headerLengthFor(chunkTokens) }),
  }
  const tokens = counted === 'model' ? chunks.map((chunk) => chunk.tokens) : undefined
  return { entry, text: parsed.text, table: tabulateChunks(chunks, parsed.pages), tokens, warnings: parsed.warnings }
}

async function storeOne({ index }: PreparedInput, cut: CutDocument, work: Work): Promise<Outcome> {
  const { entry, text, table, tokens, warnings } = cut
  const { context, meter, room } = work
  const { embedder, signal } = context
  const { id, title, chunks, pages } = entry
  const progress = { index, title, id, chunksTotal: chunks, ...(pages !== undefined && { pages }) }
  let chunksDone = 0
  let vectors: Float32Array | undefined
  try {
    vectors = await embedChunks(embeddedTextsOf(entry, { text, table }), context, {
      tokens,
      following: () => work.unread,
      onProgress(done) {
        chunksDone = done
        meter.advance({ type: 'embedding', ...progress, chunksDone })
      },
    })
  } finally {
    room.leave(chunks)
    meter.drop(chunks - chunksDone)
  }
  throwIfAborted(signal)
  const type = await context.commit(entry, { text, table, vectors }, embedder?.key)
  context.report({
    type: type === 'unchanged' ? type : 'ready',
    ...progress,
    chunksDone: vectors === undefined ? 0 : chunks,
    ...(warnings !== undefined && { warnings }),
  })
  return { type, id, title, warnings }
}

/** What is embedded for each chunk of a document: its text, after the context header where the document was added with one. */
export function embeddedTextsOf(
  { title, headerLength }: Pick<DocumentEntry, 'title' | 'headerLength'>,
  { text, table }: Pick<DocumentContent, 'text' | 'table'>,
): string[] {
  const texts = chunkTextsOf(text, table)
  if (headerLength === undefined) return texts
  return texts.map((chunk, index) => {
    const headings = table.headings[table.headingPath[index] ?? 0] ?? []
    return createContextHeader(title, headings, headerLength) + chunk
  })
}

/** Cuts a document by the embedding model's tokens, or by an estimate from above where there is no model that counts. */
async function cutChunks(
  parsed: ParsedDocument,
  title: string,
  context: IngestContext,
): Promise<{ chunks: Chunk[]; counted: 'model' | 'estimate' }> {
  const { chunkTokens, overlapTokens, contextHeader, embedder, signal, onWarning } = context
  const optionsOf = (model: EmbeddingModel | undefined) => {
    const longest = longestChunk(chunkTokens, model)
    const overlap = Math.min(overlapTokens, Math.floor(longest / 2))
    return { chunkTokens: longest, overlapTokens: overlap, contextTitle: contextHeader ? title : undefined, signal }
  }
  const countTokens = embedder?.countTokens
  if (embedder !== undefined && countTokens !== undefined) {
    try {
      // Some models know their limit only then.
      await embedder.load()
      const embedSentences = context.chunking === 'semantic' ? sentenceEmbedder(embedder, context) : undefined
      const options = { ...optionsOf(embedder.model), countTokens, embedSentences }
      return { chunks: await chunkDocument(parsed, options), counted: 'model' }
    } catch (error) {
      throwIfAborted(signal)
      onWarning(toAlcoveError(error, 'model-load-failed', `tokens cannot be counted with '${embedder.key}'`))
    }
  }
  const estimate = async (texts: readonly string[]) => texts.map(estimateTokens)
  return {
    chunks: await chunkDocument(parsed, { ...optionsOf(embedder?.model), countTokens: estimate }),
    counted: 'estimate',
  }
}

/** Sentences are embedded to find where to cut, and not kept: no search asks for them. */
function sentenceEmbedder(embedder: TextEmbedder, { signal, pace }: IngestContext) {
  return (texts: readonly string[]) => embedder.documents(texts, { signal, pace, isCached: false })
}

/** A model cuts off what is over its limit, and its special tokens count there. */
function longestChunk(chunkTokens: number, model: EmbeddingModel | undefined): number {
  const limit =
    model === undefined || !(model.maxTokens > specialTokens) ? chunkTokens : model.maxTokens - specialTokens
  return Math.min(chunkTokens, limit)
}

function tabulateChunks(chunks: readonly Chunk[], pages: readonly Page[]): ChunkTable {
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
  return { ...table, headings, ...(pages.length > 0 && { pageSpans: spansOfPages(pages) }) }
}

/** Start and end of each page from page 1 on. A page that the parser does not tell of is empty. */
function spansOfPages(pages: readonly Page[]): Uint32Array {
  const spans = new Uint32Array(2 * pages.reduce((most, { page }) => Math.max(most, page), 0))
  for (const { page, span } of pages) spans.set(span, (page - 1) * 2)
  return spans
}

/** The vectors end to end; undefined where there is no model, or where it fails: the chunks are then found by keyword, and wait. */
async function embedChunks(
  texts: readonly string[],
  { embedder, signal, pace, vectors, onWarning }: IngestContext,
  told: Pick<EmbedDocumentsOptions, 'tokens' | 'following' | 'onProgress'>,
): Promise<Float32Array | undefined> {
  if (embedder === undefined || vectors === 'background') return undefined
  try {
    return joinVectors(await embedder.documents(texts, { signal, pace, ...told }))
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

import type { CorpusStats, DocumentSummary, Hit, SearchOptions, StoredDocument } from '../../protocol/corpus.js'
import { AlcoveError, isAlcoveError } from '../../protocol/error.js'
import type { Reranker } from '../../protocol/model.js'
import { throwIfAborted } from '../../runtime/abort.js'
import { CorpusIndex } from '../corpus-index.js'
import type { TextEmbedder } from '../embed.js'
import { checkSearch } from '../search/check-search.js'
import { searchCorpus } from '../search-corpus.js'
import { openCorpusFile, orDamaged, readCodes, readContent, readWords } from '../storage/corpus-file.js'
import {
  type ByteRange,
  damaged,
  type FileHeader,
  type FileLayout,
  type FileRow,
} from '../storage/corpus-file-header.js'
import { type DocumentContent, type DocumentEntry, presentDocument, summarizeEntry } from '../storage/corpus-layout.js'
import { type Fetch, openRangeFile, type RangeFile } from './range-file.js'

export interface RemoteCorpusOptions {
  readonly name: string
  /** Absolute. */
  readonly url: string
  readonly fetch: Fetch
  readonly embedder: TextEmbedder | undefined
  /** Without, it is searched by keyword alone. */
  readonly usesVectors: boolean
  readonly onWarning: (error: AlcoveError) => void
}

/** A file as it was opened. */
interface Opened {
  readonly file: RangeFile
  readonly header: FileHeader
  readonly layout: FileLayout
  readonly entries: readonly DocumentEntry[]
  /** Filled with the first search. */
  index(): Promise<CorpusIndex>
}

/** Contents that are nearer to each other than this are read together. */
const nearBytes = 64 * 1024
/** A request asks for no more than this, unless one document is longer. */
const mostBytes = 4 * 2 ** 20
/** Texts that the index is made of, where the file has none that can be used, at one time. */
const indexedAtOnce = 64

/**
 * A corpus file on a server: opened by its header, searched by its index, and of the texts only those of the hits are read. It cannot be
 * changed here. One that is changed on the server meanwhile is opened anew.
 */
export class RemoteCorpus {
  readonly #options: RemoteCorpusOptions
  #embedder: TextEmbedder | undefined
  #opened: Promise<Opened> | undefined
  /** Told once for each model. */
  #warnedOf: string | undefined

  constructor(options: RemoteCorpusOptions) {
    this.#options = options
    this.useEmbedder(options.embedder)
  }

  /** Opens the file if it is not open. */
  async open(): Promise<void> {
    await this.#use(async () => {})
  }

  useEmbedder(embedder: TextEmbedder | undefined): void {
    this.#embedder = this.#options.usesVectors ? embedder : undefined
  }

  async search(query: string | readonly string[], options: SearchOptions, reranker?: Reranker): Promise<Hit[]> {
    const search = checkSearch(query, options)
    throwIfAborted(options.signal)
    const { onWarning } = this.#options
    return await this.#use(async (opened) => {
      const embedder = this.#embedderFor(opened)
      const index = await opened.index()
      return await searchCorpus(search, { index, embedder, reranker, signal: options.signal, onWarning })
    })
  }

  async get(id: string): Promise<StoredDocument | undefined> {
    return await this.#use(async ({ entries, header, layout, file }) => {
      const at = entries.findIndex((entry) => entry.id === id)
      const [entry, row, range] = [entries[at], header.documents[at], layout.contents[at]]
      if (entry === undefined || row === undefined || range === undefined) return undefined
      return presentDocument(entry, readContent(row, await file.read(range)))
    })
  }

  async list(): Promise<DocumentSummary[]> {
    return await this.#use(async ({ entries }) => entries.map(summarizeEntry))
  }

  async stats(): Promise<CorpusStats> {
    return await this.#use(async (opened) => {
      const { entries, layout, header } = opened
      const embedder = this.#embedderFor(opened)
      return {
        documents: entries.length,
        chunks: entries.reduce((sum, { chunks }) => sum + chunks, 0),
        bytes: layout.end,
        dimensions: embedder === undefined ? 0 : (header.codes?.dimensions ?? 0),
        embedder: embedder?.model.id ?? null,
        pendingVectors: 0,
      }
    })
  }

  /** The file itself. */
  async export(): Promise<Blob> {
    return await this.#use(async ({ file, layout }) => new Blob([await file.read({ start: 0, end: layout.end })]))
  }

  /** Runs work on the open file, once more when the file turns out to be another one by now. */
  async #use<T>(work: (opened: Opened) => Promise<T>): Promise<T> {
    const opening = this.#openOnce()
    try {
      return await orDamaged(async () => await work(await opening))
    } catch (error) {
      if (!isAlcoveError(error, 'integrity-failed')) throw error
      if (this.#opened === opening) this.#opened = undefined
      return await orDamaged(async () => await work(await this.#openOnce()))
    }
  }

  #openOnce(): Promise<Opened> {
    if (this.#opened !== undefined) return this.#opened
    const opening = this.#openFile()
    this.#opened = opening
    opening.catch(() => {
      if (this.#opened === opening) this.#opened = undefined
    })
    return opening
  }

  async #openFile(): Promise<Opened> {
    const { url, fetch, onWarning, name } = this.#options
    const file = await openRangeFile(url, fetch)
    const { header, layout } = await openCorpusFile((range) => file.read(range), file.size)
    if (file.size !== undefined && file.size !== layout.end) {
      throw damaged(`it should have ${layout.end} bytes, and has ${file.size}`)
    }
    if (!file.isPartial) {
      const size = layout.end.toLocaleString('en')
      onWarning(
        new AlcoveError('http-status', `corpus '${name}': the server of '${url}' does not give parts of files`, {
          hint: `All ${size} bytes were read. Serve the file with support for range requests.`,
        }),
      )
    }
    const entries = header.documents.map(({ entry }, at) => nameEntry(entry, header, String(at)))
    let filling: Promise<CorpusIndex> | undefined
    const index = (): Promise<CorpusIndex> => {
      filling ??= fillIndex({ file, header, layout, entries })
      filling.catch(() => {
        filling = undefined
      })
      return filling
    }
    return { file, header, layout, entries, index }
  }

  /** The page's model where it is that of the file's vectors. */
  #embedderFor({ header }: Opened): TextEmbedder | undefined {
    const embedder = this.#embedder
    const made = header.codes?.embedder
    if (embedder === undefined || made === undefined) return undefined
    if (embedder.key === made) return embedder
    if (this.#warnedOf !== embedder.key) {
      this.#warnedOf = embedder.key
      const { name, onWarning } = this.#options
      onWarning(
        new AlcoveError(
          'model-not-found',
          `corpus '${name}': its vectors were made by '${made}', and the embedding model here is '${embedder.key}'`,
          {
            hint: 'It is searched by keyword. Configure the model that made the vectors, or index again with this one.',
          },
        ),
      )
    }
    return undefined
  }
}

/** The entry with names of our own: those of the file may be of a store, or double. */
function nameEntry(
  { vectors: _vectors, ...entry }: DocumentEntry,
  { codes }: FileHeader,
  segment: string,
): DocumentEntry {
  const vectors = codes && { segment, embedder: codes.embedder, dimensions: codes.dimensions }
  return { ...entry, segment, order: Number(segment), ...(vectors && { vectors }) }
}

type FileParts = Omit<Opened, 'index'>

/** Words and codes of the file; where its words cannot be used here, they are made of the texts. */
async function fillIndex(parts: FileParts): Promise<CorpusIndex> {
  const { file, header, layout, entries } = parts
  const index = new CorpusIndex((wanted) => readContents(parts, wanted))
  const [words, codes] = await Promise.all([
    file.read(layout.words).then((buffer) => readWords(header, buffer)),
    file.read(layout.codes).then((buffer) => readCodes(header, buffer)),
  ])
  const byId = new Map(entries.map((entry) => [entry.id, entry]))
  const rowOf = (id: string) => ({ entry: byId.get(id), chunks: byId.get(id)?.chunks ?? 0 })
  if (words !== undefined) index.putWords(words.documents.map(rowOf), words.words)
  const missing = entries.filter(({ id }) => index.entryOf(id) === undefined)
  for (let at = 0; at < missing.length; at += indexedAtOnce) {
    for await (const { entry, content } of readContents(parts, missing.slice(at, at + indexedAtOnce))) {
      index.put(entry, content)
    }
  }
  if (codes !== undefined) index.putCodes(codes.documents.map(rowOf), codes.data)
  return index
}

interface Wanted {
  readonly entry: DocumentEntry
  readonly row: FileRow
  readonly range: ByteRange
}

async function* readContents(
  { file, header, layout }: FileParts,
  entries: readonly DocumentEntry[],
): AsyncGenerator<{ readonly entry: DocumentEntry; readonly content: DocumentContent }> {
  const wanted = entries
    .map((entry) => {
      const at = Number(entry.segment)
      return { entry, row: header.documents[at], range: layout.contents[at] } as Wanted
    })
    .sort((a, b) => a.range.start - b.range.start)
  const read = gatherNeighbours(wanted).map(async (group) => {
    const [first, last] = [group[0]?.range.start ?? 0, group.at(-1)?.range.end ?? 0]
    const bytes = await file.read({ start: first, end: last })
    return group.map(({ entry, row, range }) => {
      return { entry, content: readContent(row, bytes.slice(range.start - first, range.end - first)) }
    })
  })
  for (const group of await Promise.all(read)) yield* group
}

function gatherNeighbours(wanted: readonly Wanted[]): Wanted[][] {
  const groups: Wanted[][] = []
  for (const one of wanted) {
    const group = groups.at(-1)
    const [first, last] = [group?.[0], group?.at(-1)]
    const isNear =
      first !== undefined &&
      last !== undefined &&
      one.range.start - last.range.end <= nearBytes &&
      one.range.end - first.range.start <= mostBytes
    if (isNear) group?.push(one)
    else groups.push([one])
  }
  return groups
}

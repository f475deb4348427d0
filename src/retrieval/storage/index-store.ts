import type { Store } from '../../store/store.js'
import { isSegmentData, type SegmentData } from '../keyword/segment.js'

/** A document as an index segment has it: that what the segment has is of the stored document is told by all of it. */
export interface IndexedDocument {
  /** Of words: as `DocumentEntry.segment`; of codes: as `DocumentEntry.vectors.segment`. */
  readonly segment: string
  /** Of words only: they hold those of the title. */
  readonly title?: string | undefined
  readonly chunks: number
}

/** Words or codes of some documents. The store's copy of what can be made from the documents at any time. */
export interface IndexSegment<Data> {
  readonly documents: readonly IndexedDocument[]
  /** Of the chunks of all documents, in order. */
  readonly data: Data
}

/** Codes of the vectors of chunks, as `VectorIndex.addSegment` takes them. */
export interface StoredCodes {
  readonly dimensions: number
  readonly codes: Int8Array
  readonly scales: Float32Array
}

/** What an index segment keeps, and how to tell that it is whole. */
export interface SegmentForm<Data> {
  /** Ends of the keys of a segment's list of documents, and of its data. */
  readonly keys: readonly [documents: string, data: string]
  isData(value: unknown, chunks: number): value is Data
  bytesOf(data: Data): number
}

/** Words of passages. */
export const wordsForm: SegmentForm<SegmentData> = {
  keys: ['indexed', 'words'],
  isData: isSegmentData,
  bytesOf: ({ terms, lengths, sequence }) => terms.length + lengths.byteLength + sequence.byteLength,
}

/** Codes of vectors. */
export const codesForm: SegmentForm<StoredCodes> = {
  keys: ['coded', 'codes'],
  isData: isCodes,
  bytesOf: ({ codes, scales }) => codes.byteLength + scales.byteLength,
}

/** What is stored under the corpus' one key of an index. */
interface Manifest {
  readonly version: number
  /** What the data depends on: see `IndexStoreOptions`. */
  readonly stamp: string
  readonly segments: readonly string[]
  /** Bytes that each segment takes. */
  readonly bytes: Readonly<Record<string, number>>
}

/** Version of index segments. Those of another version are passed over, and made anew. */
export const indexVersion = 1

export interface IndexStoreOptions<Data> {
  readonly store: Store
  readonly form: SegmentForm<Data>
  /** Key that names the index segments which count. */
  readonly manifestKey: string
  /** Prefix of the keys of all segments of the corpus. */
  readonly segmentPrefix: string
  /**
   * What the data depends on besides the documents: how words are told apart, which model made the vectors. Segments of another stamp are passed
   * over, and give way to the next that is written.
   */
  stamp(): string
}

/** The stored index of one corpus: segments, and a list that names them. What is broken or missing is left out, as it can be made anew. */
export interface IndexStore<Data> {
  readonly manifestKey: string
  /** Names of the index segments. */
  names(): Promise<string[]>
  /** All keys that the index takes, whatever the stamp. */
  keys(): Promise<string[]>
  /** Bytes that the index takes. */
  readBytes(): Promise<number>
  readDocuments(name: string): Promise<readonly IndexedDocument[] | undefined>
  read(name: string): Promise<IndexSegment<Data> | undefined>
  /** What to write so that a segment is there; nothing names it yet. */
  valuesOf(name: string, segment: IndexSegment<Data>): [string, unknown][]
  /** What to write so that the index is what it was, without some segments and with one more; segments of another stamp go, too. */
  replace(
    removed: readonly string[],
    name: string,
    segment: IndexSegment<Data>,
  ): Promise<{ readonly set: readonly [string, unknown]; readonly delete: readonly string[] }>
  keysOf(name: string): string[]
}

export function createIndexStore<Data>(options: IndexStoreOptions<Data>): IndexStore<Data> {
  const { store, form, manifestKey, segmentPrefix, stamp } = options
  const keysOf = (name: string): string[] => form.keys.map((end) => `${segmentPrefix}${name}/${end}`)

  async function readDocuments(name: string): Promise<readonly IndexedDocument[] | undefined> {
    const documents = await store.get<unknown>(keysOf(name)[0] ?? '')
    return isDocuments(documents) ? documents : undefined
  }

  async function readAny(): Promise<{ isCurrent: boolean; segments: string[]; bytes: Manifest['bytes'] }> {
    const stored = (await store.get<Partial<Manifest> & { readonly tokenizer?: string }>(manifestKey)) ?? {}
    // Lists of before there were codes say `tokenizer`.
    const { version, segments, bytes = {}, stamp: made = stored.tokenizer } = stored
    const names = Array.isArray(segments) ? segments.filter((name) => typeof name === 'string') : []
    return { isCurrent: version === indexVersion && made === stamp(), segments: names, bytes }
  }

  async function readManifest(): Promise<Pick<Manifest, 'segments' | 'bytes'>> {
    const { isCurrent, segments, bytes } = await readAny()
    return isCurrent ? { segments, bytes } : { segments: [], bytes: {} }
  }

  return {
    manifestKey,
    names: async () => [...(await readManifest()).segments],
    keys: async () => (await readAny()).segments.flatMap(keysOf),
    async readBytes() {
      const { segments, bytes } = await readAny()
      return segments.reduce((sum, name) => sum + (Number(bytes[name]) || 0), 0)
    },
    readDocuments,
    async read(name) {
      const [documents, data] = await store.getMany<unknown>(keysOf(name))
      if (!isDocuments(documents)) return undefined
      const chunks = documents.reduce((sum, document) => sum + document.chunks, 0)
      return form.isData(data, chunks) ? { documents, data } : undefined
    },
    valuesOf(name, { documents, data }) {
      const values = [documents, data]
      return keysOf(name).map((key, at) => [key, values[at]])
    },
    async replace(removed, name, segment) {
      const { isCurrent, segments, bytes } = await readAny()
      const kept = isCurrent ? segments.filter((one) => !removed.includes(one)) : []
      const ownBytes = listedBytes(segment.documents) + form.bytesOf(segment.data)
      const manifest: Manifest = {
        version: indexVersion,
        stamp: stamp(),
        segments: [...kept, name],
        bytes: Object.fromEntries([...kept.map((one) => [one, bytes[one] ?? 0]), [name, ownBytes]]),
      }
      const gone = segments.filter((one) => !kept.includes(one))
      return { set: [manifestKey, manifest], delete: gone.flatMap(keysOf) }
    },
    keysOf,
  }
}

const listedBytes = (documents: readonly IndexedDocument[]): number =>
  documents.reduce((sum, { segment, title = '' }) => sum + segment.length + title.length + 8, 0)

function isDocuments(value: unknown): value is readonly IndexedDocument[] {
  return Array.isArray(value) && value.every(isDocument)
}

function isDocument(value: unknown): value is IndexedDocument {
  const { segment, title, chunks } = (value ?? {}) as Partial<IndexedDocument>
  const isNamed = typeof segment === 'string' && (title === undefined || typeof title === 'string')
  return isNamed && Number.isSafeInteger(chunks) && Number(chunks) >= 0
}

/** Whether a value is the codes of so many vectors. */
export function isCodes(value: unknown, chunks: number): value is StoredCodes {
  const { dimensions, codes, scales } = (value ?? {}) as Partial<StoredCodes>
  if (!(codes instanceof Int8Array && scales instanceof Float32Array) || !Number.isInteger(dimensions)) return false
  const isFitting = Number(dimensions) > 0 && codes.length === chunks * Number(dimensions) && scales.length === chunks
  return isFitting && scales.every((scale) => scale > 0 && scale <= 1)
}

import type { Store } from '../../store/store.js'
import { isSegmentData, type SegmentData } from '../keyword/segment.js'
import { tokenizerKey } from '../keyword/tokenize.js'

/** A document as an index segment has it: that its words are those of the stored one is told by both. */
export interface IndexedDocument {
  /** As `DocumentEntry.segment`. */
  readonly segment: string
  readonly title: string
  readonly chunks: number
}

/** Words of some documents. The store's copy of what can be made from the documents at any time. */
export interface IndexSegment {
  readonly documents: readonly IndexedDocument[]
  /** Of the chunks of all documents, in order. */
  readonly words: SegmentData
}

/** What is stored under the corpus' one key of the index. */
interface Manifest {
  readonly version: number
  /** See `tokenizerKey`: segments of another one hold words that nobody would look for. */
  readonly tokenizer: string
  readonly segments: readonly string[]
  /** Bytes that each segment takes. */
  readonly bytes: Readonly<Record<string, number>>
}

/** Version of index segments. Those of another version are passed over, and made anew. */
export const indexVersion = 1

export interface IndexStoreOptions {
  readonly store: Store
  /** Key that names the index segments which count. */
  readonly manifestKey: string
  /** Prefix of the keys of all segments of the corpus. */
  readonly segmentPrefix: string
}

/** The stored index of one corpus: segments, and a list that names them. What is broken or missing is left out, as it can be made anew. */
export interface IndexStore {
  readonly manifestKey: string
  /** Names of the index segments. */
  names(): Promise<string[]>
  /** Bytes that the index takes. */
  readBytes(): Promise<number>
  readDocuments(name: string): Promise<readonly IndexedDocument[] | undefined>
  read(name: string): Promise<IndexSegment | undefined>
  /** What to write so that a segment is there; nothing names it yet. */
  valuesOf(name: string, segment: IndexSegment): [string, unknown][]
  /** What to write so that the index is what it was, without some segments and with one more. */
  replace(removed: readonly string[], name: string, segment: IndexSegment): Promise<readonly [string, unknown]>
  keysOf(name: string): string[]
}

export function createIndexStore({ store, manifestKey, segmentPrefix }: IndexStoreOptions): IndexStore {
  const documentsKey = (name: string): string => `${segmentPrefix}${name}/indexed`
  const wordsKey = (name: string): string => `${segmentPrefix}${name}/words`

  async function readDocuments(name: string): Promise<readonly IndexedDocument[] | undefined> {
    const documents = await store.get<unknown>(documentsKey(name))
    return isDocuments(documents) ? documents : undefined
  }

  async function readManifest(): Promise<Pick<Manifest, 'segments' | 'bytes'>> {
    const { version, tokenizer, segments, bytes } = (await store.get<Partial<Manifest>>(manifestKey)) ?? {}
    if (version !== indexVersion || tokenizer !== tokenizerKey() || !Array.isArray(segments)) {
      return { segments: [], bytes: {} }
    }
    return { segments: segments.filter((name) => typeof name === 'string'), bytes: bytes ?? {} }
  }

  return {
    manifestKey,
    names: async () => [...(await readManifest()).segments],
    async readBytes() {
      const { segments, bytes } = await readManifest()
      return segments.reduce((sum, name) => sum + (Number(bytes[name]) || 0), 0)
    },
    readDocuments,
    async read(name) {
      const [documents, words] = await store.getMany<unknown>([documentsKey(name), wordsKey(name)])
      if (!isDocuments(documents)) return undefined
      const chunks = documents.reduce((sum, document) => sum + document.chunks, 0)
      return isSegmentData(words, chunks) ? { documents, words } : undefined
    },
    valuesOf: (name, { documents, words }) => [
      [documentsKey(name), documents],
      [wordsKey(name), words],
    ],
    async replace(removed, name, segment) {
      const before = await readManifest()
      const kept = before.segments.filter((one) => !removed.includes(one))
      const bytes = Object.fromEntries([...kept.map((one) => [one, before.bytes[one] ?? 0]), [name, sizeOf(segment)]])
      const manifest: Manifest = { version: indexVersion, tokenizer: tokenizerKey(), segments: [...kept, name], bytes }
      return [manifestKey, manifest]
    },
    keysOf: (name) => [documentsKey(name), wordsKey(name)],
  }
}

function sizeOf({ documents, words }: IndexSegment): number {
  const listed = documents.reduce((sum, { segment, title }) => sum + segment.length + title.length + 8, 0)
  return listed + words.terms.length + words.lengths.byteLength + words.sequence.byteLength
}

function isDocuments(value: unknown): value is readonly IndexedDocument[] {
  return Array.isArray(value) && value.every(isDocument)
}

function isDocument(value: unknown): value is IndexedDocument {
  const { segment, title, chunks } = (value ?? {}) as Partial<IndexedDocument>
  return typeof segment === 'string' && typeof title === 'string' && Number.isSafeInteger(chunks) && Number(chunks) >= 0
}

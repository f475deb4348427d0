import { AlcoveError, isAlcoveError } from '../../protocol/error.js'
import { throwIfAborted } from '../../runtime/abort.js'
import { sha256Hex, toHex } from '../../text/hash.js'
import type { FileFacts } from '../engine.js'
import {
  type FileHead,
  type FileStore,
  type FileWriter,
  type KeptFile,
  keepError,
  pieceCount,
  pieceLength,
  type SourceHead,
} from './file-store.js'

/** A file that is being put together, piece by piece: on this device, or in memory from where that fails. */
export interface Draft {
  readonly head: FileHead | undefined
  /** Why it is not kept on this device, if it is not. */
  readonly error: AlcoveError | undefined
  /** Bytes of the pieces so far. */
  readonly bytes: number
  has(index: number): boolean
  /** Forgets all pieces and begins a file. */
  begin(head: SourceHead): Promise<void>
  /** Takes a piece, whose bytes may change afterwards. False when it is not what the manifest says. */
  put(index: number, bytes: Uint8Array): Promise<boolean>
  /**
   * The whole file, checked.
   * @throws AlcoveError `integrity-failed` when it is not the expected one; it is then forgotten
   */
  finish(bytes: number, signal: AbortSignal): Promise<Blob>
  close(): Promise<void>
}

export interface DraftOptions {
  readonly key: string
  readonly stores: readonly FileStore[]
  readonly facts: FileFacts | undefined
}

/** Bytes that are read at once to be hashed. */
const HASH_STEP_BYTES = 4_194_304

/** Begins with what is kept of the file; else in the first store that can be written. */
export async function openDraft({ key, stores, facts }: DraftOptions): Promise<Draft> {
  const { store, writer, kept, error } = await openWriter(key, stores)
  return new StoredDraft(key, facts, store, writer, kept, error)
}

async function openWriter(key: string, stores: readonly FileStore[]) {
  const found = await Promise.all(stores.map(async (store) => ({ store, kept: await store.find(key) })))
  const usable = ({ kept }: (typeof found)[number]) => (kept !== undefined && kept.absentSince === undefined ? 0 : 1)
  let error: AlcoveError = keepError('there is no storage')
  for (const { store, kept } of found.toSorted((a, b) => usable(a) - usable(b))) {
    try {
      const part = kept?.absentSince === undefined ? kept : undefined
      return { store, writer: await store.write(key, part), kept: part, error: undefined }
    } catch (refused) {
      error = isAlcoveError(refused) ? refused : keepError(refused)
    }
  }
  return { store: undefined, writer: undefined, kept: undefined, error }
}

class StoredDraft implements Draft {
  readonly #key: string
  readonly #facts: FileFacts | undefined
  readonly #store: FileStore | undefined
  #writer: FileWriter | undefined
  #head: FileHead | undefined
  #error: AlcoveError | undefined
  /** Lengths of the pieces that are stored, and the others themselves. */
  readonly #pieces = new Map<number, number | Blob>()

  constructor(
    key: string,
    facts: FileFacts | undefined,
    store: FileStore | undefined,
    writer: FileWriter | undefined,
    kept: KeptFile | undefined,
    error: AlcoveError | undefined,
  ) {
    this.#key = key
    this.#facts = facts
    this.#store = store
    this.#writer = writer
    this.#error = error
    if (!kept || !this.#isExpected(kept)) return
    this.#head = kept.head
    for (const [index, sha256] of kept.pieces) {
      if (this.#isRight(index, sha256)) this.#pieces.set(index, pieceLength(kept.head, index))
    }
  }

  get head(): FileHead | undefined {
    return this.#head
  }

  get error(): AlcoveError | undefined {
    return this.#error
  }

  get bytes(): number {
    return [...this.#pieces.values()].reduce<number>((sum, piece) => sum + sizeOf(piece), 0)
  }

  has(index: number): boolean {
    return this.#pieces.has(index)
  }

  async begin(head: SourceHead): Promise<void> {
    this.#pieces.clear()
    const own = { ...head, key: this.#key }
    this.#head = own
    await this.#attempt((writer) => writer.begin(own))
  }

  async put(index: number, bytes: Uint8Array): Promise<boolean> {
    const sha256 = await sha256Hex(bytes)
    if (!this.#isRight(index, sha256)) return false
    const stored = await this.#attempt((writer) => writer.put(index, bytes, sha256))
    this.#pieces.set(index, stored ? bytes.byteLength : new Blob([bytes as Uint8Array<ArrayBuffer>]))
    return true
  }

  async finish(bytes: number, signal: AbortSignal): Promise<Blob> {
    const file = await this.#whole(bytes)
    try {
      await checkFile(file, this.#head?.url ?? this.#key, this.#facts, signal)
    } catch (error) {
      if (isAlcoveError(error, 'integrity-failed')) await this.#forget()
      throw error
    }
    await this.#attempt((writer) => writer.finish(bytes))
    // What was opened before the end may be a snapshot that a browser calls outdated.
    await this.close()
    return this.#error ? file : this.#whole(bytes)
  }

  async close(): Promise<void> {
    const writer = this.#writer
    this.#writer = undefined
    await writer?.close()
  }

  async #whole(bytes: number): Promise<Blob> {
    const head = this.#head
    const kept: KeptFile | undefined = head && {
      head: { ...head, bytes },
      pieces: new Map(),
      completeBytes: bytes,
      keptBytes: bytes,
      usedAt: 0,
    }
    if (!kept) return new Blob()
    const indexes = Array.from({ length: pieceCount(kept.head, bytes) }, (_, index) => index)
    const inMemory = indexes.some((index) => typeof this.#pieces.get(index) !== 'number')
    const whole = inMemory ? undefined : await this.#store?.blob(kept)
    if (whole?.size === bytes) return whole
    const parts = await Promise.all(
      indexes.map((index) => {
        const piece = this.#pieces.get(index)
        return typeof piece === 'number' ? this.#store?.piece(kept, index) : piece
      }),
    )
    return new Blob(parts.filter((part) => part !== undefined))
  }

  /** A storage that fails once is not asked again: the rest is kept in memory. */
  async #attempt(use: (writer: FileWriter) => Promise<void>): Promise<boolean> {
    if (!this.#writer) return false
    try {
      await use(this.#writer)
      return true
    } catch (error) {
      this.#error = keepError(error)
      await this.close()
      return false
    }
  }

  async #forget(): Promise<void> {
    this.#pieces.clear()
    this.#head = undefined
    await this.close()
    await this.#store?.drop(this.#key)
  }

  #isExpected({ head }: KeptFile): boolean {
    const { bytes, pieces } = this.#facts ?? {}
    if (bytes !== undefined && head.bytes !== undefined && head.bytes !== bytes) return false
    return pieces === undefined || pieces.bytes === head.pieceBytes
  }

  #isRight(index: number, sha256: string): boolean {
    const expected = this.#facts?.pieces?.sha256[index]
    return expected === undefined || expected.toLowerCase() === sha256
  }
}

const sizeOf = (piece: number | Blob) => (typeof piece === 'number' ? piece : piece.size)

/** @throws AlcoveError `integrity-failed` when the file is not the expected one */
async function checkFile(file: Blob, url: string, facts: FileFacts | undefined, signal: AbortSignal): Promise<void> {
  const fail = (what: string, expected: unknown, got: unknown) => {
    throw new AlcoveError('integrity-failed', `expected ${what} ${expected} of ${url}, got ${got}`, {
      details: { url, expected, got },
    })
  }
  if (facts?.bytes !== undefined && facts.bytes !== file.size) fail('the length', facts.bytes, file.size)
  const { sha256, md5 } = facts ?? {}
  const expected = sha256 ?? md5
  if (expected === undefined) return
  const hash = await hashFile(file, signal, sha256 === undefined ? 'md5' : 'sha256')
  if (hash !== expected.toLowerCase()) fail(sha256 === undefined ? 'the MD5' : 'the SHA-256', expected, hash)
}

/** Hash of a file, of which only a small part is in memory at a time, as lower-case hexadecimal. */
export async function hashFile(
  file: Blob,
  signal?: AbortSignal,
  algorithm: 'sha256' | 'md5' = 'sha256',
): Promise<string> {
  const isSmall = file.size <= HASH_STEP_BYTES
  if (isSmall && algorithm === 'sha256') return sha256Hex(new Uint8Array(await file.arrayBuffer()))
  const hash = await createHash(algorithm)
  for (let at = 0; at < file.size; at += HASH_STEP_BYTES) {
    throwIfAborted(signal)
    hash.update(new Uint8Array(await file.slice(at, at + HASH_STEP_BYTES).arrayBuffer()))
  }
  return toHex(hash.digest())
}

async function createHash(algorithm: 'sha256' | 'md5') {
  if (algorithm === 'sha256') return (await import('@noble/hashes/sha2.js')).sha256.create()
  return (await import('@noble/hashes/legacy.js')).md5.create()
}

import { AlcoveError, toAlcoveError } from '../../protocol/error.js'

/** What a file is, as its server says it. */
export interface SourceHead {
  /** Where it was asked for. */
  readonly url: string
  /** Name of the source that it comes from. */
  readonly source: string
  /** Length of the file; undefined where the server does not tell. */
  readonly bytes?: number | undefined
  readonly etag?: string | undefined
  readonly lastModified?: string | undefined
  /** All pieces have this length but the last, which may be shorter. */
  readonly pieceBytes: number
}

export interface FileHead extends SourceHead {
  /** The address that it is kept under, from whichever source it comes. */
  readonly key: string
}

/** A file on this device, whole or in part, without its bytes. */
export interface KeptFile {
  readonly head: FileHead
  /** SHA-256 of each piece that is kept, by index, lower-case hexadecimal. */
  readonly pieces: ReadonlyMap<number, string>
  /** Length of the whole file, once all of it is kept. */
  readonly completeBytes: number | undefined
  /** Bytes that are kept. */
  readonly keptBytes: number
  /** Milliseconds since the epoch. */
  readonly usedAt: number
  /** When the sources were found to have no such file; it then has no pieces. Milliseconds since the epoch. */
  readonly absentSince?: number | undefined
}

/** Writes one file. One writer at a time. */
export interface FileWriter {
  /** Forgets what was there and begins a file. */
  begin(head: FileHead): Promise<void>
  /** Keeps a piece. Rejects as the storage does. */
  put(index: number, bytes: Uint8Array, sha256: string): Promise<void>
  /** All pieces are there. */
  finish(bytes: number): Promise<void>
  close(): Promise<void>
}

/** Files by their keys, piece by piece. Reading never rejects: what cannot be read is not there. */
export interface FileStore {
  readonly kind: 'opfs' | 'cache-api'
  find(key: string): Promise<KeptFile | undefined>
  /** The bytes of a file that `find` told of, in pieces that stay on disk where the browser can do that. */
  blob(file: KeptFile): Promise<Blob | undefined>
  piece(file: KeptFile, index: number): Promise<Blob | undefined>
  /** All files whose keys begin with `prefix`. */
  list(prefix: string): Promise<KeptFile[]>
  /**
   * @param kept what is there to go on from; without it, `begin` comes first
   * @throws AlcoveError `store-blocked` when this storage cannot be written here
   */
  write(key: string, kept?: KeptFile): Promise<FileWriter>
  /** Notes a use, or that there is no such file. False where that cannot be written. */
  note(key: string, event: FileEvent): Promise<boolean>
  /** Forgets pieces that are broken, or with none named the whole file. */
  drop(key: string, pieces?: readonly number[]): Promise<void>
}

export type FileEvent = { readonly usedAt: number } | { readonly absentSince: number; readonly head: FileHead }

/** One fact of a file's log, in the order in which they happened. A broken last one is as if it had not happened. */
export type LogEntry =
  | { readonly head: FileHead; readonly at: number; readonly absentSince?: number }
  | { readonly piece: number; readonly sha256: string }
  | { readonly lost: readonly number[] }
  | { readonly complete: number }
  | { readonly usedAt: number }

/** Length of a piece by its index. */
export const pieceLength = (head: SourceHead, index: number, bytes = head.bytes): number =>
  bytes === undefined ? head.pieceBytes : Math.max(0, Math.min(head.pieceBytes, bytes - index * head.pieceBytes))

/** How many pieces a file of that length has. */
export const pieceCount = (head: SourceHead, bytes: number): number => Math.ceil(bytes / head.pieceBytes)

/**
 * What a log says. `has` tells whether the bytes of a piece are really there, in their length.
 * @returns undefined without a head
 */
export function readLog(
  entries: readonly LogEntry[],
  has: (head: FileHead, index: number, bytes: number | undefined) => boolean,
): KeptFile | undefined {
  let head: FileHead | undefined
  let complete: number | undefined
  let usedAt = 0
  let absentSince: number | undefined
  const noted = new Map<number, string>()
  for (const entry of entries) {
    if ('head' in entry) {
      head = entry.head
      complete = undefined
      usedAt = entry.at
      absentSince = entry.absentSince
      noted.clear()
    } else if ('piece' in entry) noted.set(entry.piece, entry.sha256)
    else if ('lost' in entry) for (const index of entry.lost) noted.delete(index)
    else if ('complete' in entry) complete = entry.complete
    else usedAt = entry.usedAt
  }
  if (!isHead(head)) return undefined
  const bytes = complete ?? head.bytes
  const own = head
  const pieces = new Map([...noted].filter(([index]) => has(own, index, bytes)))
  const keptBytes = [...pieces.keys()].reduce((sum, index) => sum + pieceLength(own, index, bytes), 0)
  const isWhole = complete !== undefined && pieces.size === pieceCount(head, complete)
  const known = complete !== undefined && head.bytes === undefined ? { ...head, bytes: complete } : head
  return {
    head: known,
    pieces,
    completeBytes: isWhole ? complete : undefined,
    keptBytes,
    usedAt,
    ...(absentSince !== undefined && { absentSince }),
  }
}

/** What was stored may be anything. */
function isHead(head: FileHead | undefined): head is FileHead {
  return typeof head?.key === 'string' && Number.isSafeInteger(head.pieceBytes) && head.pieceBytes > 0
}

/** Why a file could not be kept. */
export function keepError(error: unknown): AlcoveError {
  return (error as { name?: unknown } | null)?.name === 'QuotaExceededError'
    ? toAlcoveError(error, 'quota-exceeded')
    : new AlcoveError('store-blocked', `this page may not keep model files: ${String(error)}`, { cause: error })
}

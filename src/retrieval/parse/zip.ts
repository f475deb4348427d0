import { AlcoveError } from '../../protocol/error.js'
import { parseLimits, tooLarge } from './document.js'
import { createYielder } from './yielding.js'

/** One file in a zip archive, as the archive's directory lists it. */
export interface ZipEntry {
  readonly name: string
  readonly encrypted: boolean
  /** 0: stored, 8: deflated; others are not read. */
  readonly method: number
  readonly compressedBytes: number
  /** What the directory says; it may lie. */
  readonly bytes: number
  /** Where its local header begins. */
  readonly offset: number
}

export interface UnzipOptions {
  /** Most bytes that the part may unpack to. @default parseLimits.unzippedPartBytes */
  readonly limitBytes?: number | undefined
  readonly signal?: AbortSignal | undefined
}

const END_OF_DIRECTORY = 0x06054b50
const DIRECTORY_ENTRY = 0x02014b50
const LOCAL_HEADER = 0x04034b50
const RATIO_FROM_BYTES = 10 * 1024 * 1024

const broken = (what: string): AlcoveError =>
  new AlcoveError('parse-failed', `The zip archive is broken: ${what}`, {
    hint: 'The file may be cut short. Open it elsewhere and save it again.',
  })

/** Offset of the end-of-directory record, which a comment of up to 65,535 bytes may follow. */
function findEndOfDirectory(view: DataView): number {
  const first = Math.max(0, view.byteLength - 22 - 0xffff)
  for (let offset = view.byteLength - 22; offset >= first; offset--) {
    if (view.getUint32(offset, true) === END_OF_DIRECTORY) return offset
  }
  throw broken('its directory is missing')
}

/**
 * The directory of a zip archive (PKWARE APPNOTE 4.3.12), without unpacking anything.
 * Throws `parse-failed` when there is none. Archives over 4 GB (zip64) are over the file limit anyway.
 */
export function readZipDirectory(bytes: Uint8Array): ZipEntry[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (view.byteLength < 22) throw broken('it is too short')
  const end = findEndOfDirectory(view)
  const count = view.getUint16(end + 10, true)
  let offset = view.getUint32(end + 16, true)
  const decoder = new TextDecoder()
  const entries: ZipEntry[] = []
  for (let index = 0; index < count; index++) {
    if (offset + 46 > view.byteLength || view.getUint32(offset, true) !== DIRECTORY_ENTRY) {
      throw broken('its directory is damaged')
    }
    const nameBytes = view.getUint16(offset + 28, true)
    entries.push({
      name: decoder.decode(bytes.subarray(offset + 46, offset + 46 + nameBytes)),
      encrypted: (view.getUint16(offset + 8, true) & 1) === 1,
      method: view.getUint16(offset + 10, true),
      compressedBytes: view.getUint32(offset + 20, true),
      bytes: view.getUint32(offset + 24, true),
      offset: view.getUint32(offset + 42, true),
    })
    offset += 46 + nameBytes + view.getUint16(offset + 30, true) + view.getUint16(offset + 32, true)
  }
  return entries
}

/** The packed bytes of an entry: a view, not a copy. */
function packedBytes(archive: Uint8Array, entry: ZipEntry): Uint8Array {
  const view = new DataView(archive.buffer, archive.byteOffset, archive.byteLength)
  if (entry.offset + 30 > archive.length || view.getUint32(entry.offset, true) !== LOCAL_HEADER) {
    throw broken(`the part ${entry.name} is not where its directory says`)
  }
  const start = entry.offset + 30 + view.getUint16(entry.offset + 26, true) + view.getUint16(entry.offset + 28, true)
  if (start + entry.compressedBytes > archive.length) throw broken(`the part ${entry.name} is cut short`)
  return archive.subarray(start, start + entry.compressedBytes)
}

function checkUnpacked(entry: ZipEntry, bytes: number, limit: number): void {
  if (bytes > limit) throw tooLarge(`The unpacked part ${entry.name}`, bytes, limit, 'bytes')
  if (bytes > RATIO_FROM_BYTES && bytes > entry.compressedBytes * parseLimits.unzipRatio) {
    throw new AlcoveError('too-large', `The part ${entry.name} unpacks to more than ${parseLimits.unzipRatio} times`, {
      hint: 'This looks like a zip bomb. If it is not, save the document again without compression.',
      details: { limit: parseLimits.unzipRatio, got: Math.round(bytes / Math.max(1, entry.compressedBytes)) },
    })
  }
}

/**
 * Unpacks one entry piece by piece. What the directory says about its size is checked before, and the true size while
 * unpacking, so that a zip bomb costs no more memory than the limit. Each piece is the consumer's to keep.
 * Throws `too-large`, `document-encrypted` or `parse-failed`, and what `onPiece` throws.
 */
export async function inflateEntry(
  archive: Uint8Array,
  entry: ZipEntry,
  onPiece: (piece: Uint8Array) => void,
  { limitBytes = parseLimits.unzippedPartBytes, signal }: UnzipOptions = {},
): Promise<void> {
  if (entry.encrypted) throw new AlcoveError('document-encrypted', `The part ${entry.name} is encrypted`)
  checkUnpacked(entry, entry.bytes, limitBytes)
  const packed = packedBytes(archive, entry)
  const yielder = createYielder(signal)
  if (entry.method === 0) {
    for (let start = 0; start < packed.length; start += 65_536) {
      onPiece(packed.subarray(start, start + 65_536))
      await yielder.pause()
    }
    return
  }
  if (entry.method !== 8) throw broken(`the part ${entry.name} uses the unknown method ${entry.method}`)
  const { Inflate } = await import('fflate')
  let total = 0
  let consumerError: unknown
  const inflate = new Inflate((piece) => {
    total += piece.length
    checkUnpacked(entry, total, limitBytes)
    try {
      onPiece(piece)
    } catch (error) {
      consumerError = error
      throw error
    }
  })
  // Small pushes bound what one of them can unpack to, at most 1,032 times.
  for (let start = 0; start < packed.length || start === 0; start += 16_384) {
    try {
      inflate.push(packed.subarray(start, start + 16_384), start + 16_384 >= packed.length)
    } catch (error) {
      if (error === consumerError || error instanceof AlcoveError) throw error
      throw broken(`the part ${entry.name} cannot be unpacked (${error instanceof Error ? error.message : error})`)
    }
    await yielder.pause()
  }
}

/** Unpacks one entry whole; see `inflateEntry`. */
export async function unzipEntry(archive: Uint8Array, entry: ZipEntry, options?: UnzipOptions): Promise<Uint8Array> {
  const pieces: Uint8Array[] = []
  let total = 0
  await inflateEntry(
    archive,
    entry,
    (piece) => {
      pieces.push(piece)
      total += piece.length
    },
    options,
  )
  return joinBytes(pieces, total)
}

function joinBytes(pieces: readonly Uint8Array[], total: number): Uint8Array {
  const only = pieces[0]
  if (pieces.length === 1 && only) return only
  const joined = new Uint8Array(total)
  let offset = 0
  for (const piece of pieces) {
    joined.set(piece, offset)
    offset += piece.length
  }
  return joined
}

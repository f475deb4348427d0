import { type ParseOptions, parseLimits, tooLarge } from './document.js'
import { inflateEntry, readZipDirectory, unzipEntry, type ZipEntry } from './zip.js'

/** The parts of a document that is a zip archive: an Office file or an EPUB book. */
export interface ZipPackage {
  /** Names of all parts, in the order of the archive's directory. */
  readonly names: readonly string[]
  /** A part, whole; undefined when there is none of this name. Letter case is not told apart where it need not be. */
  read(name: string): Promise<Uint8Array | undefined>
  /** Gives a part piece by piece; returns false when there is none of this name. */
  stream(name: string, onPiece: (piece: Uint8Array) => void): Promise<boolean>
}

/**
 * Opens an archive. All parts that are read count towards `parseLimits.unzippedBytes`; nothing else is unpacked.
 * Throws as `readZipDirectory`; its functions throw `too-large`, `document-encrypted` or `parse-failed`.
 */
export function openZipPackage(bytes: Uint8Array, { signal }: ParseOptions = {}): ZipPackage {
  const entries = new Map<string, ZipEntry>()
  const lowercase = new Map<string, ZipEntry>()
  for (const entry of readZipDirectory(bytes)) {
    entries.set(entry.name, entry)
    lowercase.set(entry.name.toLowerCase(), entry)
  }
  const find = (name: string): ZipEntry | undefined => entries.get(name) ?? lowercase.get(name.toLowerCase())
  let total = 0
  const count = (length: number): void => {
    total += length
    if (total > parseLimits.unzippedBytes) {
      throw tooLarge('The unpacked document', total, parseLimits.unzippedBytes, 'bytes')
    }
  }
  return {
    names: [...entries.keys()],
    async read(name) {
      const entry = find(name)
      if (!entry) return undefined
      const part = await unzipEntry(bytes, entry, { signal })
      count(part.length)
      return part
    },
    async stream(name, onPiece) {
      const entry = find(name)
      if (!entry) return false
      const consume = (piece: Uint8Array): void => {
        count(piece.length)
        onPiece(piece)
      }
      await inflateEntry(bytes, entry, consume, { signal, limitBytes: parseLimits.unzippedBytes })
      return true
    },
  }
}

/** Resolves a relationship's or link's target against the part that holds it; a fragment or query is dropped. */
export function resolvePart(from: string, target: string): string {
  const path = decodePath(target.replace(/[?#].*$/s, '').replaceAll('\\', '/'))
  const steps = path.startsWith('/') ? [] : from.split('/').slice(0, -1)
  for (const step of path.split('/')) {
    if (step === '..') steps.pop()
    else if (step !== '.' && step !== '') steps.push(step)
  }
  return steps.join('/')
}

function decodePath(path: string): string {
  try {
    return decodeURIComponent(path)
  } catch {
    return path
  }
}

import { sha256Hex } from '../../text/hash.js'
import {
  type FileStore,
  type FileWriter,
  type KeptFile,
  keepError,
  type LogEntry,
  pieceLength,
  readLog,
} from './file-store.js'

/** The synchronous access that only dedicated workers have (https://fs.spec.whatwg.org/#api-filesystemsyncaccesshandle). */
export interface SyncAccess {
  write(bytes: Uint8Array, options: { readonly at: number }): number
  truncate(bytes: number): void
  getSize(): number
  flush(): void
  close(): void
}

type SyncFile = FileSystemFileHandle & { createSyncAccessHandle?(): Promise<SyncAccess> }

/** A worker that was just killed may hold a file for some moments still. */
const RETRY_MS = 50
const MAX_RETRIES = 20

const isBusy = (error: unknown) => (error as { name?: unknown } | null)?.name === 'NoModificationAllowedError'

async function openAccess(folder: FileSystemDirectoryHandle, name: string): Promise<SyncAccess> {
  const file = (await folder.getFileHandle(name, { create: true })) as SyncFile
  if (!file.createSyncAccessHandle) {
    if ((await file.getFile()).size === 0) await folder.removeEntry(name)
    throw new Error('files can only be written in a worker')
  }
  for (let attempt = 0; ; attempt++) {
    try {
      return await file.createSyncAccessHandle()
    } catch (error) {
      if (!isBusy(error) || attempt >= MAX_RETRIES) throw error
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS))
    }
  }
}

function parseLines(text: string): LogEntry[] {
  const entries: LogEntry[] = []
  for (const line of text.split('\n')) {
    try {
      const entry: unknown = line === '' ? undefined : JSON.parse(line)
      if (typeof entry === 'object' && entry !== null) entries.push(entry as LogEntry)
    } catch {
      // Cut short by a kill: what it said did not happen.
    }
  }
  return entries
}

function appender(log: SyncAccess): (entry: LogEntry) => void {
  const encoder = new TextEncoder()
  return (entry) => {
    // A line break first: the line before may have been cut short.
    const line = encoder.encode(`\n${JSON.stringify(entry)}\n`)
    writeAll(log, line, log.getSize())
    log.flush()
  }
}

function writeAll(to: SyncAccess, bytes: Uint8Array, at: number): void {
  const written = to.write(bytes, { at })
  if (written !== bytes.byteLength) throw new DOMException('the file took less than was given', 'QuotaExceededError')
}

/**
 * Files in the origin private file system: the bytes in one file, and beside it a log of lines that is only added to, so that a worker
 * may be killed at any moment. Written in dedicated workers, read anywhere.
 * @param root that of the origin; rejects where it is blocked, as in some browsers' private windows
 */
export function createOpfsStore(
  folderName: string,
  root: () => Promise<FileSystemDirectoryHandle>,
  now: () => number,
): FileStore {
  let opened: Promise<FileSystemDirectoryHandle> | undefined
  const folder = () => {
    opened ??= root().then((directory) => directory.getDirectoryHandle(folderName, { create: true }))
    opened.catch(() => {
      opened = undefined
    })
    return opened
  }
  const nameOf = async (key: string) => (await sha256Hex(key)).slice(0, 40)
  const bytesOf = async (name: string) => (await (await folder()).getFileHandle(`${name}.bin`)).getFile()

  async function read(name: string): Promise<KeptFile | undefined> {
    try {
      const log = await (await (await folder()).getFileHandle(`${name}.log`)).getFile()
      const size = await bytesOf(name).then(
        (file) => file.size,
        () => 0,
      )
      return readLog(
        parseLines(await log.text()),
        (head, index, bytes) => index * head.pieceBytes + pieceLength(head, index, bytes) <= size,
      )
    } catch {
      return undefined
    }
  }

  async function append(key: string, entry: LogEntry): Promise<boolean> {
    try {
      const log = await openAccess(await folder(), `${await nameOf(key)}.log`)
      try {
        appender(log)(entry)
      } finally {
        log.close()
      }
      return true
    } catch {
      return false
    }
  }

  return {
    kind: 'opfs',
    find: async (key) => read(await nameOf(key)),
    async blob({ head, completeBytes }) {
      const file = await bytesOf(await nameOf(head.key)).catch(() => undefined)
      return file?.slice(0, completeBytes)
    },
    async piece({ head }, index) {
      const file = await bytesOf(await nameOf(head.key)).catch(() => undefined)
      return file?.slice(index * head.pieceBytes, index * head.pieceBytes + pieceLength(head, index))
    },
    async list(prefix) {
      const found: KeptFile[] = []
      try {
        for await (const name of (await folder()).keys()) {
          const file = name.endsWith('.log') ? await read(name.slice(0, -4)) : undefined
          if (file?.head.key.startsWith(prefix)) found.push(file)
        }
      } catch {
        // Blocked, or cleared while it was read: what was found is what there is.
      }
      return found
    },
    async write(key, kept) {
      try {
        return await createWriter(await folder(), await nameOf(key), now, kept)
      } catch (error) {
        throw keepError(error)
      }
    },
    note: (key, event) =>
      append(key, 'usedAt' in event ? event : { head: event.head, at: now(), absentSince: event.absentSince }),
    async drop(key, pieces) {
      if (pieces) return void (await append(key, { lost: pieces }))
      const name = await nameOf(key)
      for (const end of ['log', 'bin']) {
        await folder()
          .then((own) => own.removeEntry(`${name}.${end}`))
          .catch(() => {})
      }
    },
  }
}

async function createWriter(
  folder: FileSystemDirectoryHandle,
  name: string,
  now: () => number,
  kept: KeptFile | undefined,
): Promise<FileWriter> {
  const data = await openAccess(folder, `${name}.bin`)
  const log = await openAccess(folder, `${name}.log`).catch((error: unknown) => {
    data.close()
    throw error
  })
  const append = appender(log)
  let pieceBytes = kept?.head.pieceBytes ?? 0
  return {
    async begin(head) {
      pieceBytes = head.pieceBytes
      log.truncate(0)
      data.truncate(0)
      // Room for the whole: a file system that is too full says so now, not at the end.
      data.truncate(head.bytes ?? 0)
      append({ head, at: now() })
    },
    async put(index, bytes, sha256) {
      writeAll(data, bytes, index * pieceBytes)
      data.flush()
      append({ piece: index, sha256 })
    },
    async finish(bytes) {
      data.truncate(bytes)
      data.flush()
      append({ complete: bytes })
    },
    async close() {
      data.close()
      log.close()
    },
  }
}

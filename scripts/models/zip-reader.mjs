// @ts-check
// Reads a zip (a Python wheel is one) by its central directory, one entry at a time and as a stream.
import { createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'
import { pipeline } from 'node:stream/promises'
import { createInflateRaw } from 'node:zlib'
import { writeChecked } from './checked-file.mjs'

/** @typedef {{ name: string, method: number, compressedBytes: number, bytes: number, headerOffset: number }} ZipEntry */

const endSignature = 0x06054b50
const directorySignature = 0x02014b50
const localSignature = 0x04034b50
const endSize = 22
const largestComment = 0xffff
const stored = 0
const deflated = 8

/** @param {import('node:fs/promises').FileHandle} handle @param {number} start @param {number} length */
async function readExactly(handle, start, length) {
  const buffer = Buffer.alloc(length)
  const { bytesRead } = await handle.read(buffer, 0, length, start)
  if (bytesRead !== length) throw new Error('The zip file ends too early.')
  return buffer
}

/** @param {import('node:fs/promises').FileHandle} handle */
async function findDirectory(handle) {
  const { size } = await handle.stat()
  if (size < endSize) throw new Error('This is not a zip file: it is too short.')
  const tailStart = Math.max(0, size - endSize - largestComment)
  const tail = await readExactly(handle, tailStart, size - tailStart)
  for (let at = tail.length - endSize; at >= 0; at -= 1) {
    if (tail.readUInt32LE(at) !== endSignature) continue
    const directory = {
      count: tail.readUInt16LE(at + 10),
      length: tail.readUInt32LE(at + 12),
      start: tail.readUInt32LE(at + 16),
    }
    if (directory.count === 0xffff || directory.start === 0xffffffff)
      throw new Error('This zip file is in zip64 form, which is not read here.')
    return directory
  }
  throw new Error('This is not a zip file, or its end is missing.')
}

/** @param {string} path @returns {Promise<Map<string, ZipEntry>>} */
export async function listZip(path) {
  const handle = await open(path)
  try {
    const { count, length, start } = await findDirectory(handle)
    const directory = await readExactly(handle, start, length)
    const entries = new Map()
    for (let index = 0, at = 0; index < count; index += 1) {
      if (at + 46 > length || directory.readUInt32LE(at) !== directorySignature)
        throw new Error('The directory of the zip file is damaged.')
      const nameLength = directory.readUInt16LE(at + 28)
      const name = directory.toString('utf8', at + 46, at + 46 + nameLength)
      entries.set(name, {
        name,
        method: directory.readUInt16LE(at + 10),
        compressedBytes: directory.readUInt32LE(at + 20),
        bytes: directory.readUInt32LE(at + 24),
        headerOffset: directory.readUInt32LE(at + 42),
      })
      at += 46 + nameLength + directory.readUInt16LE(at + 30) + directory.readUInt16LE(at + 32)
    }
    return entries
  } finally {
    await handle.close()
  }
}

/** @param {string} path @param {ZipEntry} entry */
async function findData(path, entry) {
  const handle = await open(path)
  try {
    const header = await readExactly(handle, entry.headerOffset, 30)
    if (header.readUInt32LE(0) !== localSignature) throw new Error(`The zip entry ${entry.name} is damaged.`)
    // The local header may carry other extra fields than the directory, so its own lengths count.
    return entry.headerOffset + 30 + header.readUInt16LE(26) + header.readUInt16LE(28)
  } finally {
    await handle.close()
  }
}

/**
 * Writes one entry to `target`, which exists afterwards only if its length and SHA-256 are right.
 * @param {string} path the zip file
 * @param {ZipEntry} entry
 * @param {string} target
 * @param {{ bytes?: number, sha256?: string, signal?: AbortSignal }} [expected]
 */
export async function extractEntry(path, entry, target, { bytes = entry.bytes, sha256, signal } = {}) {
  if (entry.method !== stored && entry.method !== deflated)
    throw new Error(`The zip entry ${entry.name} is compressed in a way that is not read here (${entry.method}).`)
  const start = await findData(path, entry)
  await writeChecked(target, { bytes, sha256 }, async (sink) => {
    if (entry.compressedBytes === 0) return sink.end()
    const source = createReadStream(path, { start, end: start + entry.compressedBytes - 1 })
    await (entry.method === stored
      ? pipeline(source, sink, { signal })
      : pipeline(source, createInflateRaw(), sink, { signal }))
  })
}

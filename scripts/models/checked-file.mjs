// @ts-check
import { createHash } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { mkdir, rename, rm, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { finished } from 'node:stream/promises'

/** @typedef {{ bytes?: number | undefined, sha256?: string | undefined, gitBlob?: string | undefined }} Expected what is known about a file */

/** Thrown when bytes arrived that are not the ones expected. */
export class ChecksumError extends Error {
  /** @override */
  name = 'ChecksumError'
}

/** @param {string} path @returns {Promise<number | undefined>} undefined when there is no such file */
export async function sizeOf(path) {
  try {
    return (await stat(path)).size
  } catch {
    return undefined
  }
}

/** @param {string} path @param {'sha256' | 'sha1'} [algorithm] @param {string} [prefix] hashed before the file */
export async function hashFile(path, algorithm = 'sha256', prefix = '') {
  const hash = createHash(algorithm).update(prefix)
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(chunk)
  return hash.digest('hex')
}

/** @param {string} path @param {Expected} expected @param {string} [name] for the message */
export async function checkFile(path, { bytes, sha256, gitBlob }, name = path) {
  const size = (await sizeOf(path)) ?? 0
  if (bytes !== undefined && size !== bytes) throw new ChecksumError(`${name} has ${size} bytes, expected ${bytes}.`)
  if (sha256) {
    const actual = await hashFile(path)
    if (actual !== sha256) throw new ChecksumError(`${name} has the SHA-256 ${actual}, expected ${sha256}.`)
  } else if (gitBlob) {
    const actual = await hashFile(path, 'sha1', `blob ${size}\0`)
    if (actual !== gitBlob) throw new ChecksumError(`${name} has the git hash ${actual}, expected ${gitBlob}.`)
  }
}

/** @param {string} path @param {Expected} expected */
export async function isComplete(path, expected) {
  if ((await sizeOf(path)) === undefined) return false
  return checkFile(path, expected).then(
    () => true,
    () => false,
  )
}

/**
 * Lets `write` fill a temporary file; only when its checks pass does it get its name.
 * @param {string} target
 * @param {Expected} expected
 * @param {(sink: import('node:fs').WriteStream) => Promise<unknown> | unknown} write
 */
export async function writeChecked(target, expected, write) {
  await mkdir(dirname(target), { recursive: true })
  const temporary = `${target}.new`
  try {
    const sink = createWriteStream(temporary)
    await Promise.all([finished(sink), write(sink)])
    await checkFile(temporary, expected, target)
    await rename(temporary, target)
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
}

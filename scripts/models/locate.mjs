// @ts-check
import { readdir, readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { hashFile, sizeOf } from './checked-file.mjs'

/** @typedef {{ id: string, path: string, format: 'onnx' | 'gguf', file: string }} FoundModel `path` is its folder, `file` the weights */
/** @typedef {{ bytes: number, sha256: string }} FileStamp */

/** Left beside the files of a model that was fetched whole and checked. */
export const stampName = '.verified'

/** @param {string} folder @param {string} ending */
async function findFile(folder, ending) {
  const names = await readdir(folder).catch(() => /** @type {string[]} */ ([]))
  for (const name of names.filter((item) => item.endsWith(ending)).sort()) {
    if (await sizeOf(join(folder, name))) return join(folder, name)
  }
  return undefined
}

/** @param {string} folder @param {boolean} deep also compare the SHA-256 */
async function agreesWithStamp(folder, deep) {
  const text = await readFile(join(folder, stampName), 'utf8').catch(() => undefined)
  // No stamp: somebody put the files there, and they are taken as they are.
  if (text === undefined) return true
  try {
    for (const [name, stamp] of Object.entries(/** @type {Record<string, FileStamp>} */ (JSON.parse(text).files))) {
      if ((await sizeOf(join(folder, name))) !== stamp.bytes) return false
      if (deep && (await hashFile(join(folder, name))) !== stamp.sha256) return false
    }
    return true
  } catch {
    return false
  }
}

/**
 * @param {string} directory that holds one folder for each model
 * @param {{ id: string, formats: ('onnx' | 'gguf')[] }} model
 * @param {{ deep?: boolean }} [options]
 * @returns {Promise<FoundModel | undefined>}
 */
export async function locateModel(directory, { id, formats }, { deep = false } = {}) {
  const path = resolve(directory, id)
  if (!(await agreesWithStamp(path, deep))) return undefined
  for (const format of formats) {
    const file = await findFile(format === 'onnx' ? join(path, 'onnx') : path, `.${format}`)
    if (!file) continue
    const beside = format === 'onnx' ? ['config.json', 'tokenizer.json'] : []
    const sizes = await Promise.all(beside.map((name) => sizeOf(join(path, name))))
    if (sizes.every(Boolean)) return { id, path, format, file }
  }
  return undefined
}

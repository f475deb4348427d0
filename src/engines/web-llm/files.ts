import { AlcoveError, isAlcoveError } from '../../protocol/error.js'
import { anySignal } from '../../runtime/abort.js'
import type { FileFacts, ModelSpec } from '../engine.js'
import type { LoadMeter } from '../weights/load-meter.js'
import type { WeightLoader } from '../weights/weights.js'
import type { ResolvedModel } from './models.js'
import type { ServedFiles } from './serve-files.js'

export const CONFIG = 'mlc-chat-config.json'
/** The list of the weights, which has their lengths and MD5s. */
export const WEIGHT_LIST = 'tensor-cache.json'
/** Best first, as WebLLM chooses. */
const TOKENIZERS = ['tokenizer.json', 'tokenizer.model']
/** Files of weights that are fetched at once. */
const CONNECTIONS = 3
const MAX_SHARDS = 10_000

/** The fields that are read here. */
export interface MlcConfig {
  readonly tokenizer_files?: readonly string[]
  readonly context_window_size?: number
}

/** All files of a model. */
export interface ModelFiles {
  readonly config: MlcConfig
  /** Knows the lengths and hashes that the list of the weights tells. */
  readonly loader: WeightLoader
  /** In the order in which they are fetched: what may be wrong and is small comes first. */
  readonly small: readonly string[]
  readonly shards: readonly { readonly name: string; readonly bytes: number }[]
}

/**
 * Reads the small files that tell what the others are. They are kept as all files are.
 * @throws AlcoveError `model-load-failed` for one that is broken, and those of the weight loader
 */
export async function readModelFiles(
  { record, spec, library }: ResolvedModel,
  loaderOf: (spec: ModelSpec) => WeightLoader,
  signal?: AbortSignal,
): Promise<ModelFiles> {
  const loader = loaderOf(spec)
  const config = (await readJson(loader, CONFIG, signal)) as MlcConfig
  const shards = readShards(await readJson(loader, WEIGHT_LIST, signal))
  const named = Array.isArray(config.tokenizer_files) ? config.tokenizer_files : []
  const tokenizer = TOKENIZERS.find((name) => named.includes(name))
  const manifest = record.model_manifest
  const files: Record<string, FileFacts> = {}
  for (const { name, bytes, md5 } of shards) files[name] = { bytes, md5, ...spec.files?.[name] }
  return {
    config,
    loader: loaderOf({ ...spec, files: { ...spec.files, ...files } }),
    small: [CONFIG, WEIGHT_LIST, library, ...(manifest ? [manifest] : []), ...(tokenizer ? [tokenizer] : [])],
    shards,
  }
}

/** What is kept and no JSON is fetched anew, once. */
async function readJson(loader: WeightLoader, name: string, signal?: AbortSignal): Promise<unknown> {
  for (let isLast = false; ; isLast = true) {
    const isKept = (await loader.head(name, { signal, keptOnly: true }))?.stored === true
    const text = await (await loader.open(name, { signal })).text()
    try {
      const value: unknown = JSON.parse(text)
      if (typeof value === 'object' && value !== null) return value
      throw new SyntaxError(`got ${typeof value}`)
    } catch (cause) {
      await loader.remove(name)
      if (isKept && !isLast) continue
      throw brokenFile(name, 'an object in JSON', cause)
    }
  }
}

function brokenFile(name: string, expected: string, cause?: unknown): AlcoveError {
  return new AlcoveError('model-load-failed', `expected ${expected} in ${name}, got something else or a part of it`, {
    cause,
    hint: 'Check that the whole file is served, and not an HTML page.',
  })
}

const MD5 = /^[0-9a-f]{32}$/i

/** @throws AlcoveError `model-load-failed` when the list names what is no file beside it */
function readShards(list: unknown) {
  const { records } = list as { readonly records?: unknown }
  if (!Array.isArray(records) || records.length > MAX_SHARDS) throw brokenFile(WEIGHT_LIST, 'a list of weights')
  const shards = new Map<string, { readonly name: string; readonly bytes: number; readonly md5: string | undefined }>()
  for (const record of records as readonly ({ readonly [field: string]: unknown } | null)[]) {
    const { dataPath: name, nbytes: bytes, md5sum } = record ?? {}
    const isPlain = typeof name === 'string' && /^\w[\w.-]*(?:\/\w[\w.-]*)*$/.test(name)
    if (!isPlain || !Number.isSafeInteger(bytes) || Number(bytes) < 0) {
      throw brokenFile(WEIGHT_LIST, 'the name and length of each file of weights')
    }
    const md5 = typeof md5sum === 'string' && MD5.test(md5sum) ? md5sum : undefined
    shards.set(name, { name, bytes: Number(bytes), md5 })
  }
  return [...shards.values()]
}

/** What a load would still fetch. */
export async function inspectFiles(
  { loader, small, shards }: ModelFiles,
  signal?: AbortSignal,
): Promise<{ readonly isWhole: boolean; readonly missingBytes: number | undefined }> {
  const total = shards.reduce((sum, { bytes }) => sum + bytes, 0)
  const names = [...small, ...shards.map(({ name }) => name)]
  const kept = await Promise.all(names.map((name) => loader.head(name, { signal, keptOnly: true })))
  if (kept.every((file) => file?.stored)) return { isWhole: true, missingBytes: 0 }
  const asked = await Promise.all(small.map((name, index) => kept[index] ?? loader.head(name, { signal })))
  const absent = asked.findIndex((file) => !file)
  if (absent >= 0) throw missingFile(small[absent] as string)
  const others = asked.reduce<number | undefined>(
    (sum, file) => (sum === undefined || file?.bytes === undefined ? undefined : sum + file.bytes),
    0,
  )
  // Without their lengths, which are small beside the weights, the weights are what there is to tell.
  return { isWhole: false, missingBytes: Math.max(1, total + (others ?? 0) - (await loader.storedBytes())) }
}

function missingFile(name: string, cause?: unknown): AlcoveError {
  return new AlcoveError('model-not-found', `expected the model file '${name}', but it is not served`, {
    hint: name.endsWith('.wasm')
      ? "Put the model's WebAssembly library into its folder as lib.wasm."
      : 'Check the model id, and that the file is served there (not an index page).',
    details: { file: name },
    cause,
  })
}

/** Where a file comes from while WebLLM loads. */
export interface FileFeed extends ServedFiles {
  /** Fetches and keeps all files. Where they cannot be kept it leaves most to `open`, so that few are in memory at a time. */
  fetchAll(): Promise<void>
}

export function createFileFeed(
  { loader, small, shards }: ModelFiles,
  { library, meter, signal }: { readonly library: string; readonly meter: LoadMeter; readonly signal: AbortSignal },
): FileFeed {
  /** Files that this device does not keep. */
  const inMemory = new Map<string, Blob>()
  let latest: string | undefined
  /** One file that fails ends the others. */
  const failed = new AbortController()
  const either = anySignal(signal, failed.signal)
  for (const { name, bytes } of shards) meter.update(name, 0, bytes, true)

  const fetchFile = async (name: string): Promise<Response> => {
    let isFirst = true
    const response = await loader.open(name, {
      signal: either,
      onProgress(loaded, total) {
        // What is whole at once was kept.
        meter.update(name, loaded, total, !(isFirst && loaded === total))
        isFirst = false
      },
      onNotice: (message) => meter.say(message),
    })
    if (response.headers.get('x-alcove-stored') === 'true') return response
    const blob = await response.blob()
    inMemory.set(name, blob)
    return new Response(blob)
  }

  const fetchLibrary = async () => {
    const isKept = (await loader.head(library, { signal, keptOnly: true }))?.stored === true
    for (let isLast = !isKept; ; isLast = true) {
      const bytes = await (await fetchFile(library)).arrayBuffer()
      // Before gigabytes of weights are fetched for it.
      if (WebAssembly.validate(bytes)) return
      await loader.remove(library)
      inMemory.delete(library)
      if (isLast) throw brokenFile(library, 'the compiled library of the model, a WebAssembly module,')
    }
  }

  return {
    names: [...small, ...shards.map(({ name }) => name)],
    async open(name) {
      const blob = inMemory.get(name)
      if (blob) return new Response(blob)
      // WebLLM asks twice for each file, and is then done with it.
      if (latest !== undefined) inMemory.delete(latest)
      const response = await fetchFile(name)
      latest = inMemory.has(name) ? name : undefined
      return response
    },
    async fetchAll() {
      for (const name of small) {
        try {
          await (name === library ? fetchLibrary() : fetchFile(name))
        } catch (error) {
          throw isAlcoveError(error, 'model-not-found') ? missingFile(name, error) : error
        }
      }
      const waiting = shards.map(({ name }) => name)
      const fetchSome = async () => {
        while (inMemory.size === 0) {
          const name = waiting.shift()
          if (name === undefined) return
          await fetchFile(name)
        }
      }
      try {
        await Promise.all(Array.from({ length: CONNECTIONS }, fetchSome))
      } catch (error) {
        failed.abort()
        throw error
      }
    },
  }
}

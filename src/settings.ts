import type { DownloadRequest } from './engines/choice/consent.js'
import type { ModelConstraints } from './engines/choice/constraints.js'
import type { Rung } from './engines/choice/ladder.js'
import type { HttpOptions } from './engines/http/options.js'
import { AlcoveError } from './protocol/error.js'
import type { EmbeddingModel } from './protocol/model.js'

/** How much of the answers is kept on this device. */
export interface CacheOptions {
  /** @default 1000 */
  readonly maxEntries?: number | undefined
  /** @default 50_000_000 */
  readonly budgetBytes?: number | undefined
  /** How long an answer is good for, in milliseconds. @default 604_800_000, a week */
  readonly ttlMs?: number | undefined
}

export interface StorageOptions {
  /** Prefix of the databases: clients of one name share what they keep. @default 'alcove' */
  readonly name?: string | undefined
  /**
   * What may be kept in bytes; over it, answers, embeddings and at last models are evicted. Models in use or pinned, and documents, do
   * not count. @default 2_000_000_000
   */
  readonly budgetBytes?: number | undefined
  /** Ask the browser not to evict what is kept. @default false */
  readonly persist?: boolean | undefined
}

/** What a page's author configures. Every field has a default: `createAlcove()` is a working client. */
export interface AlcoveOptions {
  /**
   * The chat model: `'auto'` probes the device and walks a ladder; an id is `'webllm:<id>'`, `'transformers:<repo>'`,
   * `'wllama:<repo>/<file.gguf>'`, `'prompt-api'` (the browser's own), `'http:<model>'` (remote, see `http`) or `'extractive'` (quotes from documents, needs no download); or a model of your own; or a list of these,
   * tried in order. @default 'auto'
   */
  readonly model?: 'auto' | Rung | readonly Rung[] | undefined
  /** The embedding model, likewise. @default 'auto' */
  readonly embedder?: 'auto' | (string & {}) | EmbeddingModel | undefined
  /** What a model has to be where one may be chosen: languages, context, sizes. Checked with the first use. @default nothing */
  readonly constraints?: ModelConstraints | undefined
  /** What a run may fetch unasked, in bytes. Above it `confirmDownload` decides. @default 200_000_000 */
  readonly maxDownloadBytes?: number | undefined
  /** Asks the person about a download above the limit. @default none: such a download is refused */
  readonly confirmDownload?: ((model: DownloadRequest) => Promise<boolean> | boolean) | undefined
  /** Where self-hosted weights are, tried before the hub: `<modelBaseUrl><repo>/<file>`. @default '/models/' */
  readonly modelBaseUrl?: string | URL | undefined
  /** Mirrors of the hub, in its layout, asked in order after `modelBaseUrl` and before the hub. @default none */
  readonly modelMirrors?: readonly (string | URL)[] | undefined
  /** `false`: no model file is asked of any origin but `modelBaseUrl`'s. @default true */
  readonly allowRemoteModels?: boolean | undefined
  /** Where the worker files are. @default beside the script that was loaded */
  readonly workerBaseUrl?: string | URL | undefined
  readonly storage?: StorageOptions | undefined
  /**
   * Chat models that nobody has used for so long are unloaded, in milliseconds; they come back when asked. `Infinity`: never.
   * @default 600_000
   */
  readonly modelIdleMs?: number | undefined
  /** Servers for models `'http:<model>'`, and only for these. @default none: nothing is asked of any server but for files */
  readonly http?: HttpOptions | undefined
  /** The answer cache; `false` keeps none. */
  readonly cache?: CacheOptions | false | undefined
}

/** The options with every default filled in. */
export interface Settings {
  readonly model: 'auto' | Rung | readonly Rung[]
  readonly embedder: string | EmbeddingModel
  readonly constraints: ModelConstraints | undefined
  readonly maxDownloadBytes: number
  readonly confirmDownload: AlcoveOptions['confirmDownload']
  readonly modelBaseUrl: string | undefined
  readonly modelMirrors: readonly string[]
  readonly allowRemoteModels: boolean
  readonly workerBaseUrl: string | undefined
  readonly storageName: string
  readonly budgetBytes: number
  readonly persist: boolean
  readonly modelIdleMs: number
  /** Checked with the first use of a remote model. It may hold a key, so it is never shown. */
  readonly http: HttpOptions | undefined
  readonly cache: { readonly maxEntries: number; readonly budgetBytes: number; readonly ttlMs: number } | undefined
}

const DEFAULT_CACHE = { maxEntries: 1000, budgetBytes: 50_000_000, ttlMs: 604_800_000 }

/** What was got, in a word where it is no plain value: it may hold a key, or itself. */
function show(got: unknown): string {
  if (typeof got === 'string') return JSON.stringify(got)
  if (Array.isArray(got)) return got.length === 0 ? 'an empty list' : 'a list'
  return (typeof got === 'object' && got !== null) || typeof got === 'function'
    ? `a value of type ${typeof got}`
    : String(got)
}

function fail(name: string, expected: string, got: unknown): never {
  throw new AlcoveError('invalid-argument', `createAlcove: ${name} must be ${expected}, got ${show(got)}`)
}

/** A text such as `'false'`, as an attribute gives it, is no `false`. */
function readFlag(name: string, value: boolean | undefined, fallback: boolean): boolean {
  if (value === undefined) return fallback
  return typeof value === 'boolean' ? value : fail(name, 'true or false', value)
}

/** Options that hold others. */
function readGroup<Group extends object>(name: string, value: Group | undefined, or = ''): Group | undefined {
  if (value === undefined || (typeof value === 'object' && value !== null)) return value
  return fail(name, `an object${or}`, value)
}

function readAmount(name: string, value: number | undefined, fallback: number): number {
  if (value === undefined) return fallback
  return typeof value === 'number' && value >= 0 ? value : fail(name, 'a number from 0', value)
}

/** An absolute folder url with a trailing slash, resolved against the page. */
function readFolderUrl(name: string, value: string | URL | undefined): string | undefined {
  if (value === undefined) return undefined
  const page = globalThis.document?.baseURI ?? globalThis.location?.href
  const isText = typeof value === 'string' || value instanceof URL
  if (!isText || !URL.canParse(value, page)) fail(name, 'a url, absolute or relative to the page', value)
  const { href } = new URL(value, page)
  return href.endsWith('/') ? href : `${href}/`
}

/** Whether a value has what every model has, and the verb of its kind. */
function isModel(value: unknown, verb: 'stream' | 'embed'): boolean {
  const model = (value ?? {}) as Readonly<Record<string, unknown>>
  if (typeof model[verb] !== 'function' || typeof model.load !== 'function' || typeof model.id !== 'string')
    return false
  return verb === 'embed' || (typeof model.capabilities === 'object' && model.capabilities !== null)
}

function readModel(model: AlcoveOptions['model']): Settings['model'] {
  const rungs = Array.isArray(model) ? (model as readonly unknown[]) : [model ?? 'auto']
  const known = rungs.every((rung) => (typeof rung === 'string' && rung !== '') || isModel(rung, 'stream'))
  if (!known || rungs.length === 0) fail('model', "'auto', a model id, a ChatModel or a list of these", model)
  return model ?? 'auto'
}

/**
 * Checks the options and fills in the defaults.
 * @throws AlcoveError `invalid-argument` that names the option, what was expected and what was got
 */
export function readSettings(options: AlcoveOptions): Settings {
  if (typeof options !== 'object' || options === null) fail('its argument', 'an object of options', options)
  const { embedder = 'auto', confirmDownload, modelMirrors = [] } = options
  const storage = readGroup('storage', options.storage)
  const cache = options.cache === false ? false : readGroup('cache', options.cache, ' or false')
  if (!(typeof embedder === 'string' && embedder !== '') && !isModel(embedder, 'embed')) {
    fail('embedder', "'auto', a model id or an EmbeddingModel", embedder)
  }
  const storageName = storage?.name ?? 'alcove'
  if (typeof storageName !== 'string' || !/^[\w.-]+$/.test(storageName))
    fail('storage.name', 'letters, digits, dots, dashes or underscores', storageName)
  if (confirmDownload !== undefined && typeof confirmDownload !== 'function')
    fail('confirmDownload', 'a function that resolves with true or false', confirmDownload)
  if (!Array.isArray(modelMirrors)) fail('modelMirrors', 'a list of urls', modelMirrors)
  return {
    model: readModel(options.model),
    embedder,
    constraints: options.constraints,
    maxDownloadBytes: readAmount('maxDownloadBytes', options.maxDownloadBytes, 200_000_000),
    confirmDownload,
    modelBaseUrl: readFolderUrl('modelBaseUrl', options.modelBaseUrl ?? (globalThis.location && '/models/')),
    modelMirrors: modelMirrors.flatMap((url: string | URL) => readFolderUrl('modelMirrors', url) ?? []),
    allowRemoteModels: readFlag('allowRemoteModels', options.allowRemoteModels, true),
    workerBaseUrl: readFolderUrl('workerBaseUrl', options.workerBaseUrl),
    storageName,
    budgetBytes: readAmount('storage.budgetBytes', storage?.budgetBytes, 2_000_000_000),
    persist: readFlag('storage.persist', storage?.persist, false),
    modelIdleMs: readAmount('modelIdleMs', options.modelIdleMs, 600_000),
    http: readGroup('http', options.http),
    cache:
      cache === false
        ? undefined
        : {
            maxEntries: readAmount('cache.maxEntries', cache?.maxEntries, DEFAULT_CACHE.maxEntries),
            budgetBytes: readAmount('cache.budgetBytes', cache?.budgetBytes, DEFAULT_CACHE.budgetBytes),
            ttlMs: readAmount('cache.ttlMs', cache?.ttlMs, DEFAULT_CACHE.ttlMs),
          },
  }
}

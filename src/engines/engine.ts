import { AlcoveError } from '../protocol/error.js'
import type { ChatModel, ChatModelCapabilities, EmbeddingModel, Reranker } from '../protocol/model.js'
import type { ErrorInfo } from '../protocol/stream-part.js'

/** What is known of a file before it is fetched. */
export interface FileFacts {
  readonly bytes?: number | undefined
  /** Lower-case hexadecimal. */
  readonly sha256?: string | undefined
  /** Lower-case hexadecimal; looked at only where there is no SHA-256. It tells a broken file, not a forged one. */
  readonly md5?: string | undefined
  /** Its address, where the hub's side does not keep it in the model's folder. A kept file from another such address is another file. */
  readonly url?: string | undefined
  /** Hashes of its pieces, each `bytes` long but the last: a broken one is fetched again by itself. */
  readonly pieces?: { readonly bytes: number; readonly sha256: readonly string[] } | undefined
}

/** A model as the page describes it to its worker: structured-cloneable. */
export interface ModelSpec {
  /** `transformers:<repo>`, `wllama:<repo>/<file.gguf>` or `webllm:<id>`. */
  readonly id: string
  /** Absolute address of self-hosted weights with a trailing slash; tried before the hub. Layout `<baseUrl><repo>/<file>`. */
  readonly baseUrl?: string | undefined
  /** `false`: nothing is asked of any origin but the page's own. */
  readonly allowRemote: boolean
  /** The hub: `<hubUrl><repo>/resolve/<revision>/<file>`. */
  readonly hubUrl: string
  /** Other addresses of the hub's layout, tried before it. */
  readonly mirrors?: readonly string[] | undefined
  /** The repo on the hub, where that is not the one in the id. Self-hosted files are always under the id's own repo. */
  readonly hubRepo?: string | undefined
  /** The hub has no such model: only `baseUrl` is asked, wherever that is. @default false */
  readonly selfHostedOnly?: boolean | undefined
  /** Name of the folder, and of the Cache API cache, that keep the files. */
  readonly cacheName: string
  /** Most tokens of prompt and answer together, where the catalogue knows. */
  readonly contextTokens?: number | undefined
  readonly trust?: 'answer' | 'draft' | undefined
  /** Tool-call format that its chat template knows. */
  readonly dialect?: string | undefined
  /** What it is expected to read, before it is loaded and tells itself. @default ['text'] */
  readonly inputs?: ChatModelCapabilities['inputs'] | undefined
  /** @default 'main' */
  readonly revision?: string | undefined
  /** Build of the weights, as transformers.js names it. @default by device */
  readonly dtype?: string | undefined
  /** @default 'auto' for chat models, 'wasm' for embedding models */
  readonly device?: 'auto' | 'webgpu' | 'wasm' | undefined
  /** ISO 639-1 codes. */
  readonly languages?: readonly string[] | undefined
  /** How token vectors become one vector. @default 'mean' */
  readonly pooling?: 'mean' | 'cls' | 'last' | undefined
  readonly queryPrefix?: string | undefined
  readonly documentPrefix?: string | undefined
  /** Longest text of an embedding model, special tokens included. */
  readonly maxTokens?: number | undefined
  /** Length and hash by file name, where known. */
  readonly files?: Readonly<Record<string, FileFacts>> | undefined
}

/** What using a model would take, found out without loading it. */
export interface ModelInspection {
  /** `available`: all its large files are kept on this device. `downloading`: something else fetches them (the browser's own model). */
  readonly state: 'available' | 'downloadable' | 'downloading' | 'unavailable'
  /** Bytes that a load would still fetch, where the servers tell. */
  readonly bytes?: number | undefined
  /** Why it is unavailable. */
  readonly error?: ErrorInfo | undefined
  /** Where it would run. */
  readonly device?: 'webgpu' | 'wasm' | undefined
}

export interface InspectOptions {
  readonly signal?: AbortSignal | undefined
}

/** Runs chat models of one scheme, in the thread that it is called in. */
export interface ChatEngine {
  inspect(spec: ModelSpec, options?: InspectOptions): Promise<ModelInspection>
  /** Returns at once; the model loads with `load` or its first use. */
  create(spec: ModelSpec): ChatModel
  /** Deletes the model's files from this device. @default those that the weight loader keeps */
  remove?(spec: ModelSpec): Promise<void>
}

/** Runs embedding models of one scheme, in the thread that it is called in. */
export interface EmbeddingEngine {
  inspect(spec: ModelSpec, options?: InspectOptions): Promise<ModelInspection>
  create(spec: ModelSpec): EmbeddingModel
}

/** Runs rerankers of one scheme, in the thread that it is called in. */
export interface RerankEngine {
  /** Returns at once; the model loads with `load` or its first use. */
  create(spec: ModelSpec): Reranker
}

/** The parts of a model id. */
export interface ModelIdParts {
  /** What stands before the first colon. */
  readonly scheme: string
  /** The folder on the hub or under the base url: `owner/name`, or one bare folder name. */
  readonly repo: string
  /** The one file that an id names (`wllama:` only). */
  readonly file?: string | undefined
}

const PATH = /^[\w][\w.+-]*(?:\/[\w][\w.+-]*)*$/

/**
 * Takes a model id apart. A `.gguf` path of more than three segments names a file in a folder of `owner/name`.
 * @throws AlcoveError `invalid-argument` for an id without a scheme, or whose rest is not a plain relative path.
 */
export function parseModelId(id: string): ModelIdParts {
  const colon = id.indexOf(':')
  const scheme = id.slice(0, Math.max(colon, 0))
  const path = id.slice(colon + 1)
  if (scheme === '' || !PATH.test(path)) {
    throw new AlcoveError('invalid-argument', `expected a model id such as 'transformers:owner/name', got '${id}'`, {
      hint: "Write '<engine>:<repo>', or 'wllama:<repo>/<file.gguf>'. Only letters, digits and . _ - + / may stand in it.",
    })
  }
  if (!path.toLowerCase().endsWith('.gguf')) return { scheme, repo: path }
  const segments = path.split('/')
  const repoLength = Math.min(Math.max(segments.length - 1, 0), 2)
  return { scheme, repo: segments.slice(0, repoLength).join('/'), file: segments.slice(repoLength).join('/') }
}

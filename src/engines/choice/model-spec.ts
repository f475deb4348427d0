import { AlcoveError } from '../../protocol/error.js'
import { type ModelSpec, parseModelId } from '../engine.js'
import catalogue from './catalogue.json' with { type: 'json' }

/** What the catalogue knows of a model. A field that nobody could look up is absent. */
export interface CatalogueEntry {
  readonly id: string
  readonly title: string
  readonly goodFor: string
  readonly trust?: 'answer' | 'draft'
  readonly dialect?: string
  readonly contextTokens: number
  readonly downloadBytes?: number
  readonly memoryBytes?: number
  readonly needs: readonly string[]
  readonly licence?: string
  readonly languages?: readonly string[]
  /** Where the hub has it, when that is not the repo in the id. */
  readonly hubRepo?: string
  /** The hub has no such file: only `modelBaseUrl` is asked. */
  readonly selfHostedOnly?: boolean
  readonly dtype?: string
  readonly pooling?: 'mean' | 'cls' | 'last'
  /** What an embedding model was trained to see before a query, and before a passage. */
  readonly queryPrefix?: string
  readonly documentPrefix?: string
}

/** The recommended chat models, best first. */
export const chatCatalogue = catalogue.chat as readonly CatalogueEntry[]
/** The recommended embedding models, best first. */
export const embeddingCatalogue = catalogue.embedding as readonly CatalogueEntry[]

const byId = new Map([...chatCatalogue, ...embeddingCatalogue].map((entry) => [entry.id, entry]))

/** The catalogue entry of a model id, if it has one. */
export const findEntry = (id: string): CatalogueEntry | undefined => byId.get(id)

/** Where models may come from: what a page's author configured. */
export interface ModelSources {
  /** Absolute url with a trailing slash, or undefined. */
  readonly baseUrl: string | undefined
  readonly allowRemote: boolean
  readonly hubUrl: string
  /** Other addresses of the hub's layout, tried before it. */
  readonly mirrors?: readonly string[] | undefined
  readonly cacheName: string
}

const WORKER_SCHEMES = ['webllm', 'transformers', 'wllama']

/**
 * What a worker must know to find and run the model of an id.
 * @throws AlcoveError `invalid-argument` when the id names no engine or no model
 */
export function createModelSpec(id: string, sources: ModelSources): ModelSpec {
  const { scheme, file } = parseModelId(id)
  if (!WORKER_SCHEMES.includes(scheme) || (scheme === 'wllama' && file === undefined)) {
    throw new AlcoveError(
      'invalid-argument',
      `model: expected 'webllm:<id>', 'transformers:<repo>', 'wllama:<repo>/<file.gguf>', 'prompt-api', 'http:<model>', 'extractive' or 'auto', got '${id}'`,
    )
  }
  const { baseUrl, ...where } = sources
  const entry = findEntry(id)
  return {
    id,
    ...where,
    ...(baseUrl === undefined ? {} : { baseUrl }),
    ...(entry ? entrySpec(entry) : {}),
  }
}

function entrySpec(entry: CatalogueEntry): Partial<ModelSpec> {
  const { contextTokens, trust, dialect, hubRepo, dtype, languages, pooling, selfHostedOnly } = entry
  const { queryPrefix, documentPrefix } = entry
  return {
    contextTokens,
    ...(trust && { trust }),
    ...(dialect && { dialect }),
    ...(hubRepo && { hubRepo }),
    ...(dtype && { dtype }),
    ...(languages && { languages }),
    // The limit of an embedding model that has a pooling is the one that it was trained with, not that of its tokenizer.
    ...(pooling && { pooling, maxTokens: contextTokens }),
    ...(queryPrefix && { queryPrefix }),
    ...(documentPrefix && { documentPrefix }),
    ...(selfHostedOnly && { selfHostedOnly }),
  }
}

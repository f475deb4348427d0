import { AlcoveError } from '../../protocol/error.js'
import { type ModelSpec, parseModelId } from '../engine.js'
import type { CatalogueEntry } from './catalogue.js'

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
 * @param entry what the catalogue knows of it
 * @throws AlcoveError `invalid-argument` when the id names no engine or no model
 */
export function createModelSpec(id: string, sources: ModelSources, entry?: CatalogueEntry): ModelSpec {
  const { scheme, file } = readId(id)
  if (!WORKER_SCHEMES.includes(scheme) || (scheme === 'wllama' && file === undefined)) {
    throw new AlcoveError(
      'invalid-argument',
      `model: expected 'webllm:<id>', 'transformers:<repo>', 'wllama:<repo>/<file.gguf>', 'prompt-api', 'http:<model>', 'extractive' or 'auto', got '${id}'`,
    )
  }
  const { baseUrl, ...where } = sources
  return {
    id,
    ...where,
    ...(baseUrl === undefined ? {} : { baseUrl }),
    ...(entry ? entrySpec(entry) : {}),
  }
}

/** An id without a scheme is answered with the list of schemes, as one of an unknown scheme is. */
function readId(id: string): { readonly scheme: string; readonly file?: string | undefined } {
  return id.includes(':') ? parseModelId(id) : { scheme: '' }
}

function entrySpec(entry: CatalogueEntry): Partial<ModelSpec> {
  const { contextTokens, trust, dialect, hubRepo, dtype, languages, pooling, selfHostedOnly } = entry
  const { revision, files, queryPrefix, documentPrefix } = entry
  return {
    contextTokens,
    ...(trust && { trust }),
    ...(dialect && { dialect }),
    ...(hubRepo && { hubRepo }),
    ...(dtype && { dtype }),
    // To the engines, no list means that nothing is known against a language.
    ...(languages && !languages.includes('mul') && { languages }),
    ...(pooling && { pooling }),
    ...(selfHostedOnly && { selfHostedOnly }),
    ...(revision && { revision }),
    ...(files && { files }),
    ...(queryPrefix !== undefined && { queryPrefix }),
    ...(documentPrefix !== undefined && { documentPrefix }),
  }
}

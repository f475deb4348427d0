import { AlcoveError } from '../../protocol/error.js'
import { type ModelSpec, parseModelId } from '../engine.js'
import traits from './model-traits.json' with { type: 'json' }

/** Models of WebLLM that read pictures. */
const VISION = /^webllm:(?:.*-vision-|gemma-4-)/

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
 * What the engines have to be told of the catalogue's models and do not find out or assume: it is here apart from the rest of the catalogue,
 * so that a page that names its model pays for no more. Written by `scripts/catalogue.mjs`.
 */
const TRAITS: Readonly<Record<string, Partial<ModelSpec>>> = traits as never

/**
 * What a worker must know to find and run the model of an id.
 * @throws AlcoveError `invalid-argument` when the id names no engine or no model
 */
export function createModelSpec(id: string, sources: ModelSources): ModelSpec {
  const { scheme, file } = readId(id)
  if (!WORKER_SCHEMES.includes(scheme) || (scheme === 'wllama' && file === undefined)) {
    throw new AlcoveError(
      'invalid-argument',
      `model: expected 'webllm:<id>', 'transformers:<repo>', 'wllama:<repo>/<file.gguf>', 'prompt-api', 'http:<model>', 'extractive' or 'auto', got '${id}'`,
    )
  }
  const { baseUrl, ...where } = sources
  const known: Partial<ModelSpec> = (Object.hasOwn(TRAITS, id) && TRAITS[id]) || {}
  return {
    id,
    ...where,
    ...(baseUrl === undefined ? {} : { baseUrl }),
    ...(VISION.test(id) && { inputs: ['text', 'image'] }),
    ...known,
  }
}

/** An id without a scheme is answered with the list of schemes, as one of an unknown scheme is. */
function readId(id: string): { readonly scheme: string; readonly file?: string | undefined } {
  return id.includes(':') ? parseModelId(id) : { scheme: '' }
}

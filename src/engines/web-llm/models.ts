import type { ModelRecord } from '@mlc-ai/web-llm'
import { AlcoveError, type AlcoveErrorCode, isAlcoveError } from '../../protocol/error.js'
import { editDistance } from '../../text/edit-distance.js'
import { type ModelSpec, parseModelId } from '../engine.js'
import type { WeightLoader } from '../weights/weights.js'
import { CONFIG } from './files.js'

/** Name of the compiled library of a self-hosted model. */
const LIBRARY = 'lib.wasm'
const NEAREST = 3

export interface ResolveContext {
  readonly signal?: AbortSignal | undefined
  loaderOf(spec: ModelSpec): WeightLoader
  /** WebLLM's own list. */
  prebuilt(): Promise<readonly ModelRecord[]>
}

/** Where a model's files are. */
export interface ResolvedModel {
  readonly record: ModelRecord
  /** The model's, for the one place that has it. */
  readonly spec: ModelSpec
  /** Name of its compiled library among its files. */
  readonly library: string
}

/**
 * The record of a model: self-hosted in `<baseUrl><id>/resolve/main/` when its configuration is there, else WebLLM's own entry when
 * the page may ask other origins or has its files already.
 * @throws AlcoveError `model-not-found` with the nearest names in `details.nearest`, `network`, `http-status`, `download-refused`, `aborted`
 */
export async function resolveModel(spec: ModelSpec, context: ResolveContext): Promise<ResolvedModel> {
  const id = parseModelId(spec.id).repo
  const { isAtHome, isKept, failure } = await lookAtHome(spec, context)
  const list = await context.prebuilt()
  const listed = list.find(({ model_id }) => model_id === id)
  if (isAtHome) {
    const record = { ...listed, model: '', model_id: id, model_lib: '' }
    return { record, library: LIBRARY, spec: { ...spec, selfHostedOnly: true } }
  }
  if (listed && (spec.allowRemote || isKept)) return onHub(listed, spec)
  if (failure) throw failure
  const places = spec.baseUrl === undefined ? 'no modelBaseUrl is set' : `${spec.baseUrl}${id}/ has no ${CONFIG}`
  if (listed) {
    throw new AlcoveError('model-not-found', `${spec.id} is on the hub, which this page may not ask, and ${places}`, {
      hint: 'Serve the model from modelBaseUrl, or allow remote models.',
    })
  }
  const names = list.map(({ model_id }) => model_id)
  const nearest = nearestNames(id, names)
  throw new AlcoveError('model-not-found', `WebLLM has no model '${id}', and ${places}`, {
    hint: `Did you mean ${nearest.map((name) => `'webllm:${name}'`).join(', ')}?`,
    details: { nearest },
  })
}

/** The libraries are not in the models' folders. Each fits one version of WebLLM, which is in its address. */
function onHub(record: ModelRecord, { baseUrl: _, ...spec }: ModelSpec): ResolvedModel {
  const url = record.model_lib
  const library = url.slice(url.lastIndexOf('/') + 1)
  return { record, library, spec: { ...spec, files: { ...spec.files, [library]: { url, ...spec.files?.[library] } } } }
}

/** The hub may have the model all the same. */
const PASSING: readonly AlcoveErrorCode[] = ['network', 'http-status']

/** Whether the self-hosted address has the model, and whether its configuration is kept from elsewhere; or why it could not be asked. */
async function lookAtHome(spec: ModelSpec, { loaderOf, signal }: ResolveContext) {
  const loader = loaderOf({ ...spec, selfHostedOnly: true })
  if (spec.baseUrl === undefined) return { isKept: (await loader.head(CONFIG, { signal, keptOnly: true }))?.stored }
  try {
    const response = await loader.open(CONFIG, { signal })
    const isAtHome = response.headers.get('x-alcove-source') === 'base'
    return { isAtHome, isKept: !isAtHome }
  } catch (failure) {
    if (isAlcoveError(failure, 'model-not-found')) return {}
    if (!spec.allowRemote || !isAlcoveError(failure) || !PASSING.includes(failure.code)) throw failure
    return { failure }
  }
}

/** The names that are most like a wrong one, best first: by edit distance, upper and lower case alike. */
export function nearestNames(wrong: string, names: readonly string[], count = NEAREST): string[] {
  const wanted = wrong.toLowerCase()
  return names
    .map((name) => ({ name, distance: editDistance(wanted, name.toLowerCase()) }))
    .sort((first, second) => first.distance - second.distance)
    .slice(0, count)
    .map(({ name }) => name)
}

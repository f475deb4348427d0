import type { ModelRecord } from '@mlc-ai/web-llm'
import { AlcoveError, isAlcoveError, toAlcoveError } from '../../protocol/error.js'
import { abortError } from '../../runtime/abort.js'
import { editDistance } from '../../text/edit-distance.js'
import type { ModelSpec } from '../engine.js'

/** Caches that WebLLM keeps its files in; their names are its own. */
export const webLlmCaches = ['webllm/model', 'webllm/config', 'webllm/wasm'] as const

const CONFIG = 'mlc-chat-config.json'
const LIBRARY = 'lib.wasm'
const NEAREST = 3

export interface ResolveContext {
  readonly signal?: AbortSignal | undefined
  readonly fetch: typeof fetch
  /** WebLLM's own list. Asked for only when the model is not self-hosted. */
  prebuilt(): Promise<readonly ModelRecord[]>
}

/** Where a model's files are. */
export interface ResolvedModel {
  readonly record: ModelRecord
  readonly selfHosted: boolean
  /** What the model was built for, where it is known before it is loaded; -1: a sliding window, without a limit. */
  readonly contextTokens: number | undefined
}

/**
 * The record of a model: self-hosted in `<baseUrl><id>/resolve/main/` when its configuration is there, else WebLLM's own entry when
 * the page may ask other origins.
 * @throws AlcoveError `model-not-found` with the nearest names in `details.nearest`, `model-load-failed` for a broken configuration, `network`, `aborted`
 */
export async function resolveModel(spec: ModelSpec, context: ResolveContext): Promise<ResolvedModel> {
  const id = spec.id.slice(spec.id.indexOf(':') + 1)
  const folder = spec.baseUrl === undefined ? undefined : `${spec.baseUrl}${id}/resolve/main/`
  const { config, failure } = await configOf(folder, spec, context)
  if (folder !== undefined && config !== undefined) {
    const record = { model: folder, model_id: id, model_lib: `${folder}${LIBRARY}` }
    return { record, selfHosted: true, contextTokens: config.context_window_size }
  }
  const list = await context.prebuilt()
  const record = list.find((each) => each.model_id === id)
  if (record && spec.allowRemote) {
    return { record, selfHosted: false, contextTokens: record.overrides?.context_window_size }
  }
  if (failure) throw failure
  const places = folder === undefined ? 'no modelBaseUrl is set' : `${folder}${CONFIG} is not served`
  if (record) {
    throw new AlcoveError('model-not-found', `${spec.id} is on the hub, which this page may not ask, and ${places}`, {
      hint: 'Serve the model from modelBaseUrl, or allow remote models.',
    })
  }
  const nearest = nearestNames(
    id,
    list.map((each) => each.model_id),
  )
  throw new AlcoveError('model-not-found', `WebLLM has no model '${id}', and ${places}`, {
    hint: `Did you mean ${nearest.map((name) => `'webllm:${name}'`).join(', ')}?`,
    details: { nearest },
  })
}

/** The configuration, or why it could not be asked for: the hub may have the model all the same. */
async function configOf(folder: string | undefined, spec: ModelSpec, context: ResolveContext) {
  if (folder === undefined) return {}
  try {
    return { config: await readConfig(folder, context) }
  } catch (error) {
    if (!spec.allowRemote || !isAlcoveError(error, 'network')) throw error
    return { failure: error }
  }
}

interface ChatConfigFacts {
  readonly context_window_size?: number
}

/** The configuration in a folder: as it is served, or as it was kept when the network is away; undefined when there is none. */
async function readConfig(folder: string, { signal, fetch }: ResolveContext): Promise<ChatConfigFacts | undefined> {
  const url = `${folder}${CONFIG}`
  let response: Response | undefined
  try {
    response = await fetch(url, { signal: signal ?? null })
  } catch (error) {
    if (signal?.aborted) throw abortError(signal)
    response = await keptFile(url)
    if (!response) throw toAlcoveError(error, 'network', `${url} could not be fetched`)
  }
  const text = response.ok ? await response.text() : ''
  if (!response.ok || text.trimStart().startsWith('<')) return undefined
  try {
    return JSON.parse(text) as ChatConfigFacts
  } catch (cause) {
    throw new AlcoveError('model-load-failed', `expected JSON in ${url}, got something else or a part of it`, { cause })
  }
}

/** A file from WebLLM's caches. */
export async function keptFile(url: string): Promise<Response | undefined> {
  try {
    return await globalThis.caches?.match(url)
  } catch {
    return undefined
  }
}

/** Bytes of the weights, from the model's own list of them; undefined where it cannot be reached. */
export async function weightBytes(record: ModelRecord, context: Pick<ResolveContext, 'fetch' | 'signal'>) {
  const folder = /\/resolve\//.test(record.model) ? record.model : `${record.model.replace(/\/?$/, '/')}resolve/main/`
  try {
    const response = await context.fetch(new URL('tensor-cache.json', folder), { signal: context.signal ?? null })
    const { records } = (await response.json()) as { records: readonly { nbytes: number }[] }
    return records.reduce((sum, { nbytes }) => sum + nbytes, 0)
  } catch {
    if (context.signal?.aborted) throw abortError(context.signal)
    return undefined
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

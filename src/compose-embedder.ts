import type { EmbedderPlan } from './compose-choice.js'
import type { Consent } from './engines/choice/consent.js'
import type { Availability } from './engines/choice/listing.js'
import type { DeviceChoice, MeasuredDevices } from './engines/choice/measured-device.js'
import { createModelSpec, type ModelSources } from './engines/choice/model-spec.js'
import type { Refusal } from './engines/choice/report.js'
import type { ModelInspection, ModelSpec } from './engines/engine.js'
import type { HttpEngine } from './engines/http/http.js'
import { AlcoveError, toAlcoveError } from './protocol/error.js'
import type { EmbeddingModel, LoadOptions } from './protocol/model.js'
import type { StatusPart } from './protocol/stream-part.js'
import type { WorkerCorpora } from './retrieval/worker-corpus.js'
import { abortable, anySignal } from './runtime/abort.js'
import { createSharedTask, type SharedTask } from './runtime/shared-task.js'

/** The embedding model of a client: which one, whether it may be fetched, where it runs. */
export interface Embedder {
  /** Loads the model that is configured; gives its id, or null when none could be had and none was named. */
  load(options?: LoadOptions): Promise<string | null>
  /** The model, or its absence, settled: what goes wrong with it is told and stops nothing. */
  settle(signal?: AbortSignal): Promise<void>
  /** Loads a model that is here already, so that the first search does not wait for it. */
  warmUp(): Promise<void>
  /** The model in use, loaded. */
  model(options?: LoadOptions): Promise<EmbeddingModel>
  /** Takes the model of this id, whose download counts as agreed to. */
  use(id: string, options?: LoadOptions): Promise<void>
  /** Lets go of a model that is about to be deleted. */
  drop(id: string): Promise<void>
  inspect(id: string, signal?: AbortSignal): Promise<ModelInspection>
  /** Whether a model could be used, found out without loading anything. */
  availability(): Promise<Availability>
  /** Asks for what has to be downloaded. @param known the model, where the catalogue does not know it */
  askConsent(
    id: string,
    inspection: ModelInspection,
    known?: { readonly title: string; readonly licence: string | undefined },
  ): Promise<void>
  /** A graphics card that fails in the middle of the work is left for the processor, now and at later starts. */
  leaveBrokenGpu(error: AlcoveError): Promise<void>
  /** The model that is configured or in use. */
  readonly current: { readonly id: string; readonly loaded: boolean } | undefined
  readonly refused: readonly Refusal[]
  /** What would fit best if less were asked, where none could be had. */
  readonly nearest: Refusal | undefined
  /** Where embedding models run on this device, as far as that was measured. */
  readonly devices: readonly DeviceChoice[]
}

export interface EmbedderOptions {
  /** An id, `'auto'`, or a model. */
  readonly configured: string | EmbeddingModel
  readonly sources: ModelSources
  readonly consent: () => Promise<Consent>
  /** Ids of `'auto'`, best first for this device, and why others are not tried. */
  readonly planEmbedders: (asks: boolean) => Promise<EmbedderPlan>
  readonly remote: () => Promise<HttpEngine>
  /** Measures where a model runs faster; undefined where there is no choice. @param inspect what a spec takes */
  readonly measuredDevices: (
    inspect: (spec: ModelSpec) => Promise<ModelInspection>,
  ) => Promise<MeasuredDevices | undefined>
  readonly onWarning: (error: AlcoveError) => void
}

/** Failures that another device may not have. */
const GPU_FAILURES: readonly string[] = ['device-lost', 'out-of-memory', 'webgpu-unavailable']

/** @param corpora where the model runs */
export function composeEmbedder(corpora: WorkerCorpora, options: EmbedderOptions): Embedder {
  const { configured, sources, remote, onWarning } = options
  const object: EmbeddingModel | undefined = typeof configured === 'string' ? undefined : configured
  const refusals = new Map<string, Refusal>()
  let loadedId: string | undefined
  let isDeclined = false
  let nearest: Refusal | undefined
  let devices: MeasuredDevices | undefined
  /** The model in use, where that runs on WebGPU by choice. */
  let onGpu: ModelSpec | undefined
  let remoteModel: EmbeddingModel | undefined
  let loading: SharedTask<string | null, StatusPart> | undefined

  const isNamed = configured !== 'auto'
  const named = typeof configured === 'string' ? configured : configured.id
  async function candidates(asks = true): Promise<readonly string[]> {
    if (isNamed) return [named]
    const { ids, refused, nearest: miss } = await options.planEmbedders(asks)
    if (!asks) return ids
    nearest = miss
    for (const row of refused) refusals.set(row.model, row)
    return ids
  }

  async function askConsent(
    id: string,
    inspection: ModelInspection,
    known?: { readonly title: string; readonly licence: string | undefined },
  ): Promise<void> {
    if (inspection.state !== 'downloadable') return
    const found = (await import('./engines/choice/catalogue.js')).findEntry(id)
    const entry = found ?? known
    const bytes = inspection.bytes ?? found?.downloadBytes
    await (await options.consent()).check({ id, title: entry?.title ?? id, bytes, licence: entry?.licence })
  }

  /** Where the model was faster before; the first time on the processor, and it is measured then. */
  async function loadWhereFaster(spec: ModelSpec, load: LoadOptions): Promise<void> {
    devices = await options.measuredDevices((asked) => corpora.inspectEmbedder(asked))
    const isOnGpu = (await devices?.choiceOf(spec))?.device === 'webgpu'
    try {
      await corpora.setEmbedder(isOnGpu ? { ...spec, device: 'webgpu' } : spec)
      await corpora.loadEmbedder(load)
      onGpu = isOnGpu ? spec : undefined
    } catch (error) {
      const cause = toAlcoveError(error, 'model-load-failed')
      if (!isOnGpu || cause.code === 'aborted' || cause.code === 'closed') throw cause
      await devices?.failed(spec, cause)
      await corpora.setEmbedder(spec)
      await corpora.loadEmbedder(load)
    }
    void devices?.measure(spec)
  }

  async function leaveBrokenGpu(error: AlcoveError): Promise<void> {
    const spec = onGpu
    if (spec === undefined || !GPU_FAILURES.includes(error.code)) return
    onGpu = undefined
    await devices?.failed(spec, error)
    await corpora.setEmbedder(spec)
    await corpora.loadEmbedder().catch(onWarning)
  }

  /** The load in progress: a model that is deleted meanwhile is not fetched to its end. */
  let opening: { readonly id: string; readonly stop: AbortController } | undefined

  async function loadOne(id: string, given: LoadOptions): Promise<void> {
    const own = { id, stop: new AbortController() }
    opening = own
    try {
      await open(id, { ...given, signal: anySignal(given.signal, own.stop.signal) })
    } finally {
      if (opening === own) opening = undefined
    }
  }

  async function open(id: string, load: LoadOptions): Promise<void> {
    if (id.startsWith('http:')) {
      remoteModel = remoteModel?.id === id ? remoteModel : (await remote()).embedding(id)
      // Here first, where its error keeps its code.
      await remoteModel.load(load)
      await corpora.setEmbedder(remoteModel)
      await corpora.loadEmbedder(load)
    } else if (!object || object.id !== id) {
      const spec = createModelSpec(id, sources)
      const inspection = await corpora.inspectEmbedder(spec, load)
      if (inspection.error) throw new AlcoveError(inspection.error.code, inspection.error.message, inspection.error)
      await abortable(askConsent(id, inspection), load.signal)
      await loadWhereFaster(spec, load)
    } else {
      await corpora.loadEmbedder(load)
    }
    loadedId = id
    refusals.delete(id)
  }

  /** Tries the candidates in order. A named one that cannot be had is an error; of `'auto'` it is a refusal to report. */
  async function loadFirst(load: LoadOptions): Promise<string | null> {
    for (const id of await candidates()) {
      try {
        await loadOne(id, load)
        return id
      } catch (error) {
        const cause = toAlcoveError(error, 'model-load-failed')
        if (isNamed || cause.code === 'aborted' || cause.code === 'closed') throw cause
        refusals.set(id, { model: id, code: cause.code, reason: cause.message })
        // Where nothing can be fetched now, or may be, no server is asked about a larger model.
        if (cause.code === 'network') return null
        if (cause.code === 'download-refused') break
      }
    }
    isDeclined = [...refusals.values()].some(({ code }) => code === 'download-refused')
    return null
  }

  async function load(given: LoadOptions = {}): Promise<string | null> {
    if (loadedId !== undefined) return loadedId
    // A download that was refused is not asked about again with every document; `models.use` asks anew.
    if (!isNamed && isDeclined) return null
    if (!loading) {
      const forget = () => {
        loading = undefined
      }
      loading = createSharedTask(async ({ signal, report }) => {
        try {
          return await loadFirst({ signal, onProgress: report })
        } finally {
          forget()
        }
      }, forget)
    }
    return loading.join(given)
  }

  /** The embedding model, or its absence, settled: what goes wrong with it is told and stops nothing. */
  async function settle(signal?: AbortSignal): Promise<void> {
    await load({ signal }).catch((error: unknown) => {
      const cause = toAlcoveError(error, 'model-load-failed')
      if (cause.code === 'aborted' && signal?.aborted) throw cause
      onWarning(cause)
    })
  }

  /** Loads a model that is here already, so that the first search does not wait for it. */
  async function warmUp(): Promise<void> {
    if (loadedId !== undefined || loading) return
    try {
      const [first] = await candidates(false)
      if (first === undefined) return
      const state = object ? 'available' : (await corpora.inspectEmbedder(createModelSpec(first, sources))).state
      if (state === 'available') await settle()
    } catch {
      // The first add or search says what is wrong.
    }
  }

  async function availability(): Promise<Availability> {
    if (loadedId !== undefined) return 'available'
    if (loading) return 'downloading'
    for (const id of await candidates(false)) {
      if (object || id.startsWith('http:')) return 'available'
      const { state } = await corpora.inspectEmbedder(createModelSpec(id, sources))
      if (state !== 'unavailable') return state
    }
    return 'unavailable'
  }

  return {
    load,
    settle,
    warmUp,
    availability,
    askConsent,
    leaveBrokenGpu,
    inspect: async (id, signal) => corpora.inspectEmbedder(createModelSpec(id, sources), { signal }),
    get current() {
      const id = loadedId ?? (isNamed ? named : undefined)
      return id === undefined ? undefined : { id, loaded: id === loadedId }
    },
    get refused() {
      return [...refusals.values()]
    },
    get nearest() {
      return loadedId === undefined ? nearest : undefined
    },
    get devices() {
      return devices?.known ?? []
    },
    async model(given) {
      if (object && (loadedId ?? object.id) === object.id) {
        await object.load(given)
        return object
      }
      const id = await load(given)
      if (id === null) {
        const reasons = [...refusals.values()].map(({ model, reason }) => `${model}: ${reason}`).join('; ')
        const hint = nearest && `The nearest is '${nearest.model}': ${nearest.reason}`
        throw new AlcoveError('model-not-found', `No embedding model can be had here. ${reasons}`, {
          hint,
          details: { refused: [...refusals.values()], ...(nearest && { nearest }) },
        })
      }
      return remoteModel?.id === id ? remoteModel : await corpora.loadedEmbedder()
    },
    async use(id, given = {}) {
      ;(await import('./engines/choice/catalogue.js')).checkKind('embedding', id)
      ;(await options.consent()).grant(id)
      await loadOne(id, given)
    },
    async drop(id) {
      if (opening?.id === id) opening.stop.abort(new AlcoveError('aborted', `'${id}' was deleted while it was loading`))
      if (loadedId !== id) return
      loadedId = undefined
      await corpora.setEmbedder(undefined)
    },
  }
}

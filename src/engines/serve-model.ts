import { AlcoveError } from '../protocol/error.js'
import type { ChatModel, ChatModelCapabilities, ModelPart, ModelRequest } from '../protocol/model.js'
import type { StatusPart } from '../protocol/stream-part.js'
import { servePort, serveRequest } from '../rpc/port-stream.js'
import { onAbort } from '../runtime/abort.js'
import { type Clock, systemClock } from '../runtime/clock.js'
import { createPartQueue } from '../runtime/part-queue.js'
import { createTurnQueue, type TurnQueue } from '../runtime/turn-queue.js'
import { editDistance } from '../text/edit-distance.js'
import { type ChatEngine, type ModelInspection, type ModelSpec, parseModelId } from './engine.js'
import { isFatalToEngine, translateEngineError } from './engine-errors.js'
import { waitForTurn } from './wait-turn.js'
import { createWeightLoader } from './weights/weights.js'

/** What is known of a model once it is loaded. */
export interface ModelDescription {
  readonly contextTokens: number
  readonly capabilities: ChatModelCapabilities
  readonly device?: ChatModel['device']
}

/** What the worker of the chat models offers. A call that takes a port serves a stream over it and ends when all is cleaned up. */
export interface LlmApi {
  /** One `ModelInspection`. */
  inspect(spec: ModelSpec, port: MessagePort): Promise<void>
  /** `StatusPart`s until the model is ready. */
  load(spec: ModelSpec, port: MessagePort): Promise<void>
  /** `ModelPart`s of an answer. Resolves when the engine is free again, also after a cancel. */
  stream(spec: ModelSpec, request: ModelRequest, port: MessagePort): Promise<void>
  countTokens(spec: ModelSpec, request: ModelRequest): Promise<number>
  describe(spec: ModelSpec): Promise<ModelDescription>
  /** Frees the memory of a model; a model that is not there is fine. Tells whether no other is loaded. */
  dispose(id: string): Promise<boolean>
  /** Frees a model and deletes its files from this device. */
  remove(spec: ModelSpec): Promise<void>
}

/** How to come to the engine of each scheme: imported with its first use. */
export type EngineImports = Readonly<Record<string, () => Promise<ChatEngine>>>

interface Entry {
  readonly key: string
  readonly model: ChatModel
  readonly queue: TurnQueue
}

/**
 * The chat models of one worker. The requests of one engine run one at a time: interactive ones before those in the background,
 * runs in turn, else in the order they came. One that waits says its place, and leaving the queue disturbs no other.
 */
export function createLlmApi(engines: EngineImports, { clock = systemClock }: { readonly clock?: Clock } = {}): LlmApi {
  const entries = new Map<string, Entry>()
  const queues = new Map<string, TurnQueue>()
  const imported = new Map<string, Promise<ChatEngine>>()

  const engineOf = (id: string): Promise<ChatEngine> => {
    const { scheme } = parseModelId(id)
    const known = imported.get(scheme)
    if (known) return known
    const engine = importEngine(engines, scheme)
    imported.set(scheme, engine)
    engine.catch(() => imported.delete(scheme))
    return engine
  }

  const entryOf = async (spec: ModelSpec): Promise<Entry> => {
    const engine = await engineOf(spec.id)
    const key = JSON.stringify(spec)
    const present = entries.get(spec.id)
    if (present?.key === key) return present
    const { scheme } = parseModelId(spec.id)
    const queue = queues.get(scheme) ?? createTurnQueue()
    queues.set(scheme, queue)
    const entry: Entry = { key, model: engine.create(spec), queue }
    entries.set(spec.id, entry)
    if (present) void present.model.dispose().catch(() => {})
    return entry
  }

  const forget = (entry: Entry, error: unknown) => {
    if (isFatalToEngine(error) && entries.get(entry.model.id) === entry) entries.delete(entry.model.id)
  }

  const dispose = async (id: string) => {
    const entry = entries.get(id)
    if (!entry) return
    entries.delete(id)
    await entry.model.dispose()
  }
  const isEmpty = () => [...entries.values()].every(({ model }) => model.isLoaded === false)

  async function* load(spec: ModelSpec, signal: AbortSignal): AsyncGenerator<StatusPart> {
    const entry = await entryOf(spec)
    yield* statusesOf((onProgress) => entry.model.load({ signal, onProgress }))
  }

  async function* answer(spec: ModelSpec, request: ModelRequest, signal: AbortSignal): AsyncGenerator<ModelPart> {
    const entry = await entryOf(spec)
    const arrived = clock.now()
    const endTurn = yield* waitForTurn(entry.queue, spec.id, request, signal)
    const queueMs = clock.now() - arrived
    try {
      for await (const part of drainedParts(entry.model, request, signal)) {
        yield part.type === 'model-usage' ? { ...part, usage: { ...part.usage, queueMs } } : part
      }
    } catch (error) {
      const translated = translateEngineError(error, 'model-load-failed', `'${spec.id}' failed`)
      forget(entry, translated)
      throw translated
    } finally {
      endTurn()
    }
  }

  return {
    inspect: (spec, port) =>
      serveRequest<ModelInspection>(port, async (signal) => (await engineOf(spec.id)).inspect(spec, { signal })),
    load: (spec, port) => servePort(port, (signal) => load(spec, signal)),
    stream: (spec, request, port) => servePort(port, (signal) => answer(spec, request, signal)),
    countTokens: async (spec, request) => (await entryOf(spec)).model.countTokens(request),
    async describe(spec) {
      const { contextTokens, capabilities, device } = (await entryOf(spec)).model
      return { contextTokens, capabilities, device }
    },
    async dispose(id) {
      await dispose(id)
      return isEmpty()
    },
    async remove(spec) {
      await dispose(spec.id)
      const engine = await engineOf(spec.id)
      await (engine.remove ? engine.remove(spec) : createWeightLoader(spec).remove())
    },
  }
}

async function importEngine(engines: EngineImports, scheme: string): Promise<ChatEngine> {
  const open = Object.hasOwn(engines, scheme) ? engines[scheme] : undefined
  if (!open) {
    const names = Object.keys(engines).sort((a, b) => editDistance(scheme, a) - editDistance(scheme, b))
    throw new AlcoveError('invalid-argument', `expected an engine such as '${names.join("', '")}', got '${scheme}'`, {
      hint: `Did you mean '${names[0]}:…'?`,
      details: { scheme, nearest: names.slice(0, 3) },
    })
  }
  try {
    return await open()
  } catch (error) {
    throw new AlcoveError('network', `the engine '${scheme}' could not be loaded: ${String(error)}`, {
      cause: error,
      hint: "Check that the files beside the worker's script are served too.",
    })
  }
}

/** What `run` reports, as parts; ends or throws as it does. */
async function* statusesOf(run: (report: (status: StatusPart) => void) => Promise<void>): AsyncGenerator<StatusPart> {
  const statuses = createPartQueue<StatusPart>()
  run(statuses.push).then(statuses.end, statuses.fail)
  yield* statuses
}

/** A model's parts; ends only when the model is free again. */
async function* drainedParts(model: ChatModel, request: ModelRequest, signal: AbortSignal): AsyncGenerator<ModelPart> {
  const reader = model.stream(request).getReader()
  let drained: Promise<void> | undefined
  const drain = () => {
    drained ??= reader.cancel().catch(() => {})
  }
  const stopListening = onAbort(signal, drain)
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return
      yield value
    }
  } finally {
    stopListening()
    drain()
    await drained
  }
}

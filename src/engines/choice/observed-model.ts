import { toAlcoveError } from '../../protocol/error.js'
import type { ChatModel, ModelPart } from '../../protocol/model.js'
import { iterate, streamOf } from '../../runtime/stream.js'
import { frontOf } from '../model-front.js'
import type { DeviceNotes } from './device-memory.js'

/** Failures in the middle of an answer that speak against the model on this device. */
const FATAL: readonly string[] = ['out-of-memory', 'device-lost', 'worker-crashed']
/** One can be bad luck: a driver's update, a laptop that went to sleep. Memory that is short stays so. */
const MAX_FAILURES = 2

const observed = new WeakMap<ChatModel, ChatModel>()

/**
 * The model, whose speed and fatal failures are noted for later choices. One object for a model.
 * @param onUnfit told when this device has shown that it cannot run the model
 */
export function observeModel(model: ChatModel, notes: DeviceNotes, onUnfit?: () => void): ChatModel {
  const present = observed.get(model)
  if (present) return present
  let failures = 0

  async function* answer(parts: ReadableStream<ModelPart>): AsyncGenerator<ModelPart> {
    try {
      for await (const part of iterate(parts)) {
        if (part.type === 'model-usage') void notes.measured(model.id, part.usage)
        if (part.type === 'model-finish') failures = 0
        yield part
      }
    } catch (error) {
      const failure = toAlcoveError(error, 'model-load-failed')
      if (FATAL.includes(failure.code) && (failure.code === 'out-of-memory' || ++failures >= MAX_FAILURES)) {
        await notes.failed(model.id, failure, model.contextTokens).catch(() => {})
        onUnfit?.()
      }
      throw error
    }
  }

  const own = frontOf(model, (request, options = {}) =>
    streamOf((signal) => answer(model.stream(request, { signal })), options),
  )
  observed.set(model, own)
  return own
}

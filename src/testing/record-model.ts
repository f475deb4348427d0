import { AlcoveError, toAlcoveError } from '../protocol/error.js'
import type { ChatModel, ModelPart, ModelRequest } from '../protocol/model.js'
import type { ErrorInfo } from '../protocol/stream-part.js'
import { throwIfAborted } from '../runtime/abort.js'
import { iterate, streamOf } from '../runtime/stream.js'
import { canonicalJson } from '../text/hash.js'

/** One call of a recorded model. */
export interface RecordedCall {
  readonly request: ModelRequest
  readonly parts: readonly ModelPart[]
  /** What the call failed with, after its parts. */
  readonly error?: ErrorInfo
}

/** What a model was asked and said: plain data, fit for JSON. */
export interface ModelRecording {
  readonly version: 1
  readonly model: Pick<ChatModel, 'id' | 'contextTokens' | 'capabilities'>
  readonly calls: readonly RecordedCall[]
  /** Token counts by request. */
  readonly counts: Readonly<Record<string, number>>
}

/** A model whose calls are written down. */
export interface RecordedModel extends ChatModel {
  /** What was recorded so far. A call that was cancelled is left out. */
  readonly recording: ModelRecording
}

/** A model like the one given, which writes down its calls. */
export function recordModel(model: ChatModel): RecordedModel {
  const calls: RecordedCall[] = []
  const counts: Record<string, number> = {}

  async function* record(request: ModelRequest, signal: AbortSignal): AsyncGenerator<ModelPart> {
    const parts: ModelPart[] = []
    try {
      for await (const part of iterate(model.stream(request, { signal }))) {
        parts.push(part)
        yield part
      }
      calls.push({ request, parts })
    } catch (thrown) {
      const { code, message, hint, retryable } = toAlcoveError(thrown, 'model-load-failed')
      if (!signal.aborted) calls.push({ request, parts, error: { code, message, hint, retryable } })
      throw thrown
    }
  }

  return {
    ...copyModel(model),
    load: (options) => model.load(options),
    stream: (request, { signal } = {}) => streamOf((inner) => record(request, inner), { signal }),
    async countTokens(request) {
      const count = await model.countTokens(request)
      counts[keyOf(request)] = count
      return count
    },
    dispose: () => model.dispose(),
    get recording(): ModelRecording {
      const { id, contextTokens, capabilities } = model
      return { version: 1, model: { id, contextTokens, capabilities }, calls: [...calls], counts: { ...counts } }
    },
  }
}

/**
 * A model that says again what was recorded: for each request the next recorded answer to an equal one.
 * A request that was not recorded fails with `not-found`.
 */
export function replayModel(recording: ModelRecording): ChatModel {
  const answers = new Map<string, RecordedCall[]>()
  for (const call of recording.calls) {
    const key = keyOf(call.request)
    answers.set(key, [...(answers.get(key) ?? []), call])
  }

  async function* replay(request: ModelRequest, signal: AbortSignal): AsyncGenerator<ModelPart> {
    const known = answers.get(keyOf(request))
    // The last answer stays, so that a request may be made again.
    const call = known && known.length > 1 ? known.shift() : known?.[0]
    if (call === undefined) {
      throw new AlcoveError('not-found', 'replayModel: this request was not recorded', {
        hint: 'Record again: prompts, tools or sampling have changed since.',
      })
    }
    for (const part of call.parts) {
      throwIfAborted(signal)
      yield part
    }
    if (call.error) {
      const { code, message, hint, retryable } = call.error
      throw new AlcoveError(code, message, { hint, retryable })
    }
  }

  return {
    ...recording.model,
    load: async (options) => throwIfAborted(options?.signal),
    stream: (request, { signal } = {}) => streamOf((inner) => replay(request, inner), { signal }),
    async countTokens(request) {
      const text = keyOf(request)
      return recording.counts[text] ?? Math.ceil(new TextEncoder().encode(text).length / 4)
    },
    dispose: async () => {},
  }
}

function copyModel({ id, contextTokens, capabilities }: ChatModel) {
  return { id, contextTokens, capabilities }
}

/** What decides the answer; as whom the request waits does not. */
function keyOf({ runId: _, priority: __, ...request }: ModelRequest): string {
  return canonicalJson(request)
}

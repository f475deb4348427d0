import { drainedStream } from '../../../src/engines/drained-stream.js'
import type { ChatEngine, ModelSpec } from '../../../src/engines/engine.js'
import type { ChatModel, ModelPart } from '../../../src/protocol/model.js'
import { abortError, throwIfAborted } from '../../../src/runtime/abort.js'

interface FakeOptions {
  /** Each answer waits for one `open()` before its first word; a model named `slow` never finishes its load. */
  readonly gated?: boolean
  /** How long the engine goes on after a cancel. */
  readonly drainMs?: number
}

const textOf = (content: unknown) => (typeof content === 'string' ? content : '')
const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

/** An engine that says back the words of the last message. */
export function fakeEngine({ gated = false, drainMs = 0 }: FakeOptions = {}) {
  const log: string[] = []
  const gates: (() => void)[] = []
  let failure: unknown
  let created = 0

  const gate = (signal: AbortSignal) =>
    new Promise<void>((resolve, reject) => {
      gates.push(resolve)
      signal.addEventListener('abort', () => {
        gates.splice(gates.indexOf(resolve), 1)
        reject(abortError(signal))
      })
    })

  function create(spec: ModelSpec): ChatModel {
    created++
    let isLoaded = false
    return {
      id: spec.id,
      contextTokens: 99,
      capabilities: { tools: 'none', grammar: 'none', inputs: ['text'], prefixReuse: true, trust: 'answer' },
      async load({ signal, onProgress } = {}) {
        if (isLoaded) return
        onProgress?.({ type: 'status', status: 'loading', message: 'loading', modelId: spec.id })
        if (spec.id.endsWith('slow')) {
          await gate(signal as AbortSignal).catch((error: unknown) => {
            log.push('load aborted')
            throw error
          })
        }
        isLoaded = true
      },
      stream(request, { signal } = {}) {
        const text = textOf(request.messages.at(-1)?.content)
        return drainedStream<ModelPart>(async function* (stopped) {
          if (!isLoaded) yield { type: 'status', status: 'loading', message: 'loading', modelId: spec.id }
          isLoaded = true
          if (failure !== undefined) throw failure
          log.push(`start ${text}`)
          let completionTokens = 0
          try {
            if (gated) await gate(stopped)
            for (const word of text.split(' ')) {
              await wait(1)
              throwIfAborted(stopped)
              completionTokens++
              yield { type: 'text-delta', text: `${word} ` }
            }
            yield { type: 'model-usage', usage: { promptTokens: 1, completionTokens } }
            yield { type: 'model-finish', reason: 'stop' }
          } finally {
            if (stopped.aborted) await wait(drainMs)
            log.push(`end ${text}`)
          }
        }, signal)
      },
      countTokens: async (request) => textOf(request.messages.at(-1)?.content).split(' ').length,
      async dispose() {
        isLoaded = false
        log.push('dispose')
      },
    }
  }

  const engine: ChatEngine = { inspect: async () => ({ state: 'available', bytes: 0 }), create }
  return {
    engine,
    log,
    open: () => gates.shift()?.(),
    failWith(error: unknown) {
      failure = error
    },
    get created() {
      return created
    },
  }
}

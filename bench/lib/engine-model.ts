import type { ModelSpec } from '../../src/engines/engine.js'
import type { LlmApi } from '../../src/engines/serve-model.js'
import { createWorkerModel, type ModelFailure } from '../../src/engines/worker-model.js'
import type { ChatModel, ModelPart, ModelRequest, ModelUsage } from '../../src/protocol/model.js'
import { openWorker } from '../../src/rpc/open-worker.js'
import { createWorkerHost, type WorkerHost } from '../../src/rpc/worker-host.js'
import type { BenchContext } from './result.js'

/** A chat model in the library's own worker, and what a benchmark may do to it. */
export interface EngineModel {
  readonly model: ChatModel
  readonly host: WorkerHost<LlmApi>
  /** Ends the worker as a crash does: nobody is told. */
  crash(): void
}

/** Opens a model of this machine in a worker of its own. */
export function openEngine(
  context: BenchContext,
  id: string,
  spec: Partial<ModelSpec> = {},
  onFailure?: (failure: ModelFailure) => void,
): EngineModel {
  let worker: Worker | undefined
  const host = createWorkerHost<LlmApi>({
    name: 'llm',
    open() {
      worker = openWorker(new URL('/dist/workers/llm.worker.js', globalThis.location.href), 'llm')
      return worker
    },
  })
  const own: ModelSpec = {
    id,
    baseUrl: context.modelsUrl,
    allowRemote: false,
    hubUrl: 'https://hub.invalid/',
    cacheName: 'bench-engines',
    ...spec,
  }
  return { model: createWorkerModel({ spec: own, host, onFailure }), host, crash: () => worker?.terminate() }
}

export interface TimedAnswer {
  readonly text: string
  readonly deltas: number
  /** From the request to the first text. */
  readonly firstMs: number
  /** From the first text to the last. */
  readonly decodeMs: number
  readonly usage: ModelUsage | undefined
  readonly statuses: readonly string[]
}

/** Reads an answer and says when its text came. */
export async function timeAnswer(
  model: ChatModel,
  request: ModelRequest,
  options: {
    readonly signal?: AbortSignal
    readonly onPart?: (part: ModelPart, deltas: number) => void | Promise<void>
  } = {},
): Promise<TimedAnswer> {
  const began = performance.now()
  let firstAt: number | undefined
  let lastAt = began
  let text = ''
  let deltas = 0
  let usage: ModelUsage | undefined
  const statuses: string[] = []
  const reader = model.stream(request, { signal: options.signal }).getReader()
  for (let { done, value } = await reader.read(); !done && value; { done, value } = await reader.read()) {
    if (value.type === 'text-delta') {
      lastAt = performance.now()
      firstAt ??= lastAt
      text += value.text
      deltas += 1
    }
    if (value.type === 'model-usage') usage = value.usage
    if (value.type === 'status') statuses.push(value.status)
    const pause = options.onPart?.(value, deltas)
    if (pause) await pause
  }
  if (firstAt === undefined) throw new Error('expected text, got none')
  return { text, deltas, firstMs: firstAt - began, decodeMs: lastAt - firstAt, usage, statuses }
}

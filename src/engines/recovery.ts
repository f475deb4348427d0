import { type AlcoveError, isAlcoveError } from '../protocol/error.js'
import type { ChatModel, ModelPart, ModelRequest } from '../protocol/model.js'
import type { ModelSpec } from './engine.js'
import { estimateTokens } from './flat-messages.js'
import type { ModelFailure } from './worker-model.js'

/** An answer that broke off. */
export interface BrokenAnswer {
  readonly error: unknown
  readonly spec: ModelSpec
  /** Of the model as it was loaded. */
  readonly contextTokens: number
  readonly request: ModelRequest
  /** The text that the reader has, delta by delta. */
  readonly written: readonly string[]
  /** Whether the reader has nothing but text. */
  readonly isPlainText: boolean
  /** What made it break before. */
  readonly first?: unknown
  /** Where it ran. */
  readonly device?: ChatModel['device']
}

/** How to go on with a broken answer. */
export interface Recovery {
  /** The same model, or one that takes less memory. */
  readonly spec: ModelSpec
  /** Said to the reader. */
  readonly message: string
}

/** Engines that go on from the beginning of an answer, given as a last turn of the assistant. */
const CONTINUING_SCHEMES = ['transformers', 'wllama', 'webllm']
const MIN_CONTEXT_TOKENS = 1_024
/** Room that a smaller context must leave for the answer. */
const MIN_ANSWER_TOKENS = 256

/**
 * How an answer can go on after its engine failed; undefined when it cannot: the failure is not one of the device, the reader has
 * what no engine can take up again, or there is nothing smaller to try.
 */
export function planRecovery(broken: BrokenAnswer): Recovery | undefined {
  const { error, spec, request, written } = broken
  const isWorkersFault = isAlcoveError(error, 'worker-crashed') || isAlcoveError(error, 'device-lost')
  const isMemory = isAlcoveError(error, 'out-of-memory')
  const scheme = spec.id.slice(0, spec.id.indexOf(':'))
  // A form is held from the beginning of an answer, not from the middle.
  const continues = CONTINUING_SCHEMES.includes(scheme) && request.output === undefined
  const canGoOn = broken.isPlainText && (written.length === 0 || continues)
  const leavesGpu = scheme === 'transformers' && spec.device !== 'wasm' && isGpuGone(broken)
  if (!canGoOn || !(isWorkersFault || isMemory || leavesGpu)) return undefined
  const where = written.length === 0 ? 'the answer starts anew' : 'the answer goes on'
  if (leavesGpu) {
    return {
      spec: { ...spec, device: 'wasm' },
      message: `The GPU was lost; the model runs on the processor and ${where}`,
    }
  }
  if (!isMemory) return { spec, message: `${whatFailed(error)}; it was started again and ${where}` }
  const contextTokens = Math.max(MIN_CONTEXT_TOKENS, Math.floor(broken.contextTokens / 2))
  const wanted = estimateTokens(continueFrom(request, written)) + MIN_ANSWER_TOKENS
  if (contextTokens >= broken.contextTokens || wanted > contextTokens) return undefined
  return {
    spec: { ...spec, contextTokens },
    message: `Memory was short; the model was loaded again with a context of ${contextTokens} tokens and ${where}`,
  }
}

/**
 * After a GPU was lost, it was lost again or did not come back: browsers give no other after the second crash. Or its memory is short:
 * this engine takes it as a conversation grows, so that a shorter context would not help.
 */
function isGpuGone({ error, first, spec, device }: BrokenAnswer): boolean {
  if (isAlcoveError(error, 'out-of-memory')) return device === 'webgpu' || spec.device === 'webgpu'
  if (!isAlcoveError(first, 'device-lost')) return false
  return isAlcoveError(error, 'device-lost') || isAlcoveError(error, 'webgpu-unavailable')
}

function whatFailed(error: AlcoveError | unknown): string {
  return isAlcoveError(error, 'device-lost') ? 'The GPU was lost' : 'The model’s worker stopped'
}

/** The same request, to be answered from what is already written. */
export function continueFrom(request: ModelRequest, written: readonly string[]): ModelRequest {
  if (written.length === 0) return request
  const last = request.messages.at(-1)
  const begun = last?.role === 'assistant' && typeof last.content === 'string' ? last.content : undefined
  const content = (begun ?? '') + written.join('')
  const messages = [...(begun === undefined ? request.messages : request.messages.slice(0, -1))]
  const { maxTokens } = request.sampling ?? {}
  return {
    ...request,
    messages: [...messages, { role: 'assistant', content }],
    ...(maxTokens !== undefined && {
      sampling: { ...request.sampling, maxTokens: Math.max(1, maxTokens - written.length) },
    }),
  }
}

/** Usage of the whole answer: what was written before the recovery was no prompt to the caller. A delta is about a token. */
export function addWritten(part: Extract<ModelPart, { type: 'model-usage' }>, before: readonly string[]): ModelPart {
  const { promptTokens, completionTokens } = part.usage
  return {
    type: 'model-usage',
    usage: {
      ...part.usage,
      promptTokens: Math.max(promptTokens - before.length, 0),
      completionTokens: completionTokens + before.length,
    },
  }
}

/** A broken answer with what decides whether it is tried again. */
export interface Failure extends BrokenAnswer {
  readonly phase: ModelFailure['phase']
  /** Nobody wants the answer any more, or it was tried too often. */
  readonly isOver: boolean
  readonly onFailure: ((failure: ModelFailure) => void) | undefined
}

/** What to do after a failure: go on with `next`, or end with `error`. */
export interface Verdict {
  readonly error: unknown
  readonly next?: (Recovery & { readonly request: ModelRequest; adapt(part: ModelPart): ModelPart }) | undefined
}

/** Decides what follows a failure, and tells who listens. */
export function judgeFailure(failure: Failure): Verdict {
  const { error, spec, contextTokens, phase, request, first } = failure
  const written = [...failure.written]
  const recovery = failure.isOver ? undefined : planRecovery(failure)
  if (isAlcoveError(error) && error.code !== 'aborted') {
    const reaction = recovery === undefined ? 'none' : recovery.spec === spec ? 'again' : 'smaller'
    try {
      failure.onFailure?.({ modelId: spec.id, phase, error, contextTokens, reaction })
    } catch {
      // A listener that throws must not break the answer.
    }
  }
  // An engine that refuses to go on, or files that may not be fetched for it, mean nothing to who asked for an answer.
  const isRefusal =
    first !== undefined &&
    ((written.length > 0 && isAlcoveError(error, 'invalid-argument')) || isAlcoveError(error, 'download-refused'))
  if (recovery === undefined) return { error: isRefusal ? first : error }
  const adapt = (part: ModelPart) => (part.type === 'model-usage' ? addWritten(part, written) : part)
  return { error, next: { ...recovery, request: continueFrom(request, written), adapt } }
}

import type { ModelRequest, ModelUsage } from '../protocol/model.js'
import type { Clock } from '../runtime/clock.js'

/** What is known of an answer under way. */
export interface AnswerState {
  readonly request: ModelRequest
  /** Whether a part is awaited. */
  isWaiting: boolean
  isQueued: boolean
  /** No text came yet. */
  isReading: boolean
  /** Parts so far. */
  parts: number
}

/** What is known of a model's speed on this device. */
export interface EngineSpeed {
  /** Of the last answer whose prompt was long enough to tell how fast it is read. */
  readonly usage?: ModelUsage | undefined
  /** How long the engine took to start, its files being here. */
  readonly loadMs?: number | undefined
}

export interface WatchOptions {
  readonly clock: Clock
  readonly state: AnswerState
  /** Shortest silence that means a hang, in milliseconds. */
  readonly silenceMs: number
  speed(): EngineSpeed
  /** Called at most once. */
  onSilence(): void
}

/** So many steps make up the limit, so that a machine that slept counts as one of them. */
const SILENT_STEPS = 8
const UNKNOWN_SPEED_FACTOR = 6
const MIN_DRAIN_MS = 500
/** llama.cpp reads so many tokens at a time, and hears of a cancel in between; the other engines stop sooner. */
const BATCH_TOKENS = 64
const CHARACTERS_A_TOKEN = 3

const sizeOf = ({ messages }: ModelRequest) => JSON.stringify(messages).length / CHARACTERS_A_TOKEN

/** Tokens a millisecond. */
function readRate({ usage }: EngineSpeed): number | undefined {
  if (!usage?.prefillMs) return undefined
  return (usage.promptTokens - (usage.cachedTokens ?? 0)) / usage.prefillMs
}

/**
 * Watches an answer for silence: three times the predicted time to read its prompt, `silenceMs` at least, and six times that while
 * nothing is known of the device's speed; `silenceMs` once there is text. One that waits in the queue, or whose reader sleeps, is not
 * silent. Returns a stop.
 */
export function watchAnswer({ clock, state, silenceMs, speed, onSilence }: WatchOptions): () => void {
  const promptTokens = sizeOf(state.request)
  let silent = 0
  let heard = state.parts
  const limitMs = () => {
    if (!state.isReading) return silenceMs
    const rate = readRate(speed())
    return rate === undefined ? silenceMs * UNKNOWN_SPEED_FACTOR : Math.max(silenceMs, (3 * promptTokens) / rate)
  }
  const step = () => {
    silent = state.isWaiting && !state.isQueued && state.parts === heard ? silent + 1 : 0
    heard = state.parts
    if (silent >= SILENT_STEPS) onSilence()
    else cancel = clock.setTimer(limitMs() / SILENT_STEPS, step)
  }
  let cancel = clock.setTimer(limitMs() / SILENT_STEPS, step)
  return () => cancel()
}

export interface LoadWatchOptions {
  readonly clock: Clock
  readonly state: {
    /** Reports so far. */
    readonly parts: number
    /** Its thread waits for files most of the time. */
    readonly isFetching: boolean
  }
  /** Silence that means a hang, in milliseconds. */
  readonly silenceMs: number
  /** A call that a worker answers at once. */
  ask(): Promise<unknown>
  /** Called at most once. */
  onSilence(): void
}

/**
 * Watches a load for a hang while files are fetched. A slow network is no hang: a worker that reports nothing is asked, and silent only
 * when it does not answer either. Returns a stop.
 */
export function watchLoad({ clock, state, silenceMs, ask, onSilence }: LoadWatchOptions): () => void {
  let silent = 0
  let heard = state.parts
  const step = () => {
    silent = state.isFetching && state.parts === heard ? silent + 1 : 0
    heard = state.parts
    if (silent >= SILENT_STEPS) return onSilence()
    if (silent > 0) {
      const answered = () => {
        silent = 0
      }
      ask().then(answered, () => {})
    }
    cancel = clock.setTimer(silenceMs / SILENT_STEPS, step)
  }
  let cancel = clock.setTimer(silenceMs / SILENT_STEPS, step)
  return () => cancel()
}

/**
 * How long to wait for an engine that was told to stop: at most about as long as a new one would take, and not at all where one step of
 * it takes longer than two loads.
 */
export function drainLimitMs(state: AnswerState | undefined, speed: EngineSpeed, drainMs: number): number {
  const { loadMs } = speed
  if (loadMs === undefined || state === undefined) return drainMs
  const rate = state.isReading ? readRate(speed) : undefined
  const stepMs = rate ? Math.min(sizeOf(state.request), BATCH_TOKENS) / rate : 0
  if (stepMs > 2 * loadMs + MIN_DRAIN_MS) return 0
  return Math.min(drainMs, Math.max(MIN_DRAIN_MS, loadMs, 2 * stepMs))
}

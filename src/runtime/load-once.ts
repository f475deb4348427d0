import { AlcoveError } from '../protocol/error.js'
import { createSharedTask, type JoinOptions, type SharedTask } from './shared-task.js'

export interface LoadOnceOptions<Value, Progress> {
  /** Makes the value. The signal aborts when the last caller that waits for it has left. */
  open(context: { readonly signal: AbortSignal; report(progress: Progress): void }): Promise<Value>
  /** Whether what is loaded can still be used; else the next `load` opens anew. @default always */
  readonly isUsable?: ((value: Value) => boolean) | undefined
  /**
   * Closes what was opened for nobody, because every caller had left or it was unloaded meanwhile; who still waits gets `aborted`.
   * @default it is kept: the next caller has it at once
   */
  readonly closeLate?: ((value: Value) => Promise<void>) | undefined
}

/** Something that is loaded with its first use, once for all who ask, and again after it was unloaded or could not be loaded. */
export interface LoadOnce<Value, Progress> {
  /** What is loaded now, usable or not. */
  readonly value: Value | undefined
  /**
   * The value, loaded if need be. Callers share one load: each is told its progress and may abort alone. A load that failed, or that
   * everybody left, is begun anew by the next caller.
   */
  load(options?: JoinOptions<Progress>): Promise<Value>
  /** Forgets what is loaded and gives it to be closed. */
  unload(): Value | undefined
}

/** Nothing is loaded yet. */
export function createLoadOnce<Value, Progress>(options: LoadOnceOptions<Value, Progress>): LoadOnce<Value, Progress> {
  const { open, isUsable = () => true, closeLate } = options
  let value: Value | undefined
  let loading: SharedTask<Value, Progress> | undefined

  function start(): SharedTask<Value, Progress> {
    const forget = () => {
      if (loading === task) loading = undefined
    }
    const task = createSharedTask<Value, Progress>(async (context) => {
      try {
        const opened = await open(context)
        if (closeLate && (context.signal.aborted || loading !== task)) {
          await closeLate(opened)
          throw new AlcoveError('aborted', 'The model was disposed of while it was loading')
        }
        value = opened
        return opened
      } finally {
        forget()
      }
    }, forget)
    return task
  }

  return {
    get value() {
      return value
    },
    async load(joining) {
      if (value !== undefined && isUsable(value)) return value
      loading ??= start()
      return await loading.join(joining)
    },
    unload() {
      const old = value
      value = undefined
      if (closeLate) loading = undefined
      return old
    },
  }
}

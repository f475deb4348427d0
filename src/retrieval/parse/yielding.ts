import { throwIfAborted } from '../../runtime/abort.js'

/** Ends the current task, so that messages, timers and aborts of this thread get their turn. */
export function nextTask(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel()
    port1.onmessage = () => {
      port1.close()
      resolve()
    }
    port2.postMessage(null)
  })
}

/** Makes a long loop a good neighbour on its thread. */
export interface Yielder {
  /** Whether `pause` would end the task now: spares the promise in a hot loop. */
  due(): boolean
  /** Ends the task when it has run long enough. Throws when the signal was aborted. */
  pause(): Promise<void>
}

/** A yielder that ends the task after each `sliceMs` of work. */
export function createYielder(signal?: AbortSignal, sliceMs = 12): Yielder {
  let last = performance.now()
  return {
    due: () => performance.now() - last >= sliceMs,
    async pause() {
      throwIfAborted(signal)
      if (performance.now() - last < sliceMs) return
      await nextTask()
      last = performance.now()
      throwIfAborted(signal)
    },
  }
}

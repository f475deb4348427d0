import type { StreamPart } from '../protocol/stream-part.js'

/** Parts between a run and its reader. */
export interface PartQueue {
  /** Adds a part. After `close` it does nothing. */
  put(part: StreamPart): void
  /** Resolves when the writer should go on: there is room, or the queue drains by itself, or it was closed. */
  ready(): Promise<void>
  /** The next part; undefined when there is none and none will come. */
  take(): Promise<StreamPart | undefined>
  /** From now on the writer never waits; unread deltas are merged instead. */
  drain(): void
  /** No more parts; what is there can still be taken. */
  close(): void
  /** Forgets everything. */
  discard(): void
}

/** How far a run may be ahead of its reader, in parts. */
const CAPACITY = 16

export function createPartQueue(): PartQueue {
  let parts: StreamPart[] = []
  let isDraining = false
  let isClosed = false
  let wakeReader: (() => void) | undefined
  let wakeWriter: (() => void) | undefined

  function wake(): void {
    wakeReader?.()
    wakeWriter?.()
    wakeReader = undefined
    wakeWriter = undefined
  }

  return {
    put(part) {
      if (isClosed) return
      const last = parts.at(-1)
      const merged = isDraining || parts.length >= CAPACITY ? merge(last, part) : undefined
      if (merged !== undefined) parts[parts.length - 1] = merged
      else parts.push(part)
      wakeReader?.()
      wakeReader = undefined
    },
    async ready() {
      while (parts.length >= CAPACITY && !isDraining && !isClosed) {
        await new Promise<void>((resolve) => {
          wakeWriter = resolve
        })
      }
    },
    async take() {
      while (parts.length === 0 && !isClosed) {
        await new Promise<void>((resolve) => {
          wakeReader = resolve
        })
      }
      const part = parts.shift()
      if (parts.length < CAPACITY) {
        wakeWriter?.()
        wakeWriter = undefined
      }
      return part
    },
    drain() {
      isDraining = true
      wake()
    },
    close() {
      isClosed = true
      wake()
    },
    discard() {
      parts = []
      isClosed = true
      wake()
    },
  }
}

/** Two neighbouring parts as one, where nothing is lost by that. */
function merge(last: StreamPart | undefined, part: StreamPart): StreamPart | undefined {
  if (last === undefined || last.type !== part.type) return undefined
  if (last.type === 'text-delta' && part.type === 'text-delta') {
    return last.role === part.role ? { ...last, text: last.text + part.text } : undefined
  }
  if (last.type === 'reasoning-delta' && part.type === 'reasoning-delta')
    return { ...last, text: last.text + part.text }
  if (last.type === 'tool-input-delta' && part.type === 'tool-input-delta') {
    return last.callId === part.callId ? { ...last, text: last.text + part.text } : undefined
  }
  if (last.type === 'tool-progress' && part.type === 'tool-progress') {
    return last.callId === part.callId ? part : undefined
  }
  // Of two reports on the same thing the newer one says it all.
  return last.type === 'status' && part.type === 'status' && last.status === part.status ? part : undefined
}

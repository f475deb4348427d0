import type { StreamPart } from '../protocol/stream-part.js'

/** How far a run may be ahead of its reader, in parts. */
const CAPACITY = 16
/** How far back a part of the same agent is looked for. */
const LOOK_BACK = 64

/** Parts between a run and its reader. */
export class PartQueue {
  #parts: StreamPart[] = []
  #isDraining = false
  #isClosed = false
  #wakeReader = () => {}
  #wakeWriter = () => {}

  /** Adds a part. After `close` it does nothing. */
  put(part: StreamPart): void {
    if (this.#isClosed) return
    const at = this.#lastOfAgent(part)
    const merged = this.#isCrowded ? merge(this.#parts[at], part) : undefined
    if (merged !== undefined) {
      this.#parts[at] = merged
    } else {
      if (this.#isCrowded && part.type === 'tool-progress') this.#forgetProgress(part.callId)
      this.#parts.push(part)
    }
    this.#wakeReader()
  }

  /** Resolves when the writer should go on: there is room, or the queue drains by itself, or it was closed. */
  async ready(): Promise<void> {
    while (this.#isFull && !this.#isDraining && !this.#isClosed) {
      await new Promise<void>((resolve) => {
        this.#wakeWriter = resolve
      })
    }
  }

  /** The next part; undefined when there is none and none will come. */
  async take(): Promise<StreamPart | undefined> {
    while (this.#parts.length === 0 && !this.#isClosed) {
      await new Promise<void>((resolve) => {
        this.#wakeReader = resolve
      })
    }
    const part = this.#parts.shift()
    if (!this.#isFull) this.#wakeWriter()
    return part
  }

  /** From now on the writer never waits; unread deltas are merged instead. */
  drain(): void {
    this.#isDraining = true
    this.#wakeWriter()
  }

  /** No more parts; what is there can still be taken. */
  close(): void {
    this.#isClosed = true
    this.#wakeReader()
    this.#wakeWriter()
  }

  /** Forgets everything. */
  discard(): void {
    this.#parts = []
    this.close()
  }

  /** Several tools that report in turn must not fill the queue: only the newest report of each is kept. */
  #forgetProgress(callId: string): void {
    const at = this.#parts.findLastIndex((part) => part.type === 'tool-progress' && part.callId === callId)
    if (at >= 0) this.#parts.splice(at, 1)
  }

  /** Place of the newest part of the same agent: those of agents at work side by side come in turn. */
  #lastOfAgent({ agentPath }: StreamPart): number {
    if (!this.#isCrowded || agentPath === undefined) return this.#parts.length - 1
    const path = agentPath.join()
    const first = Math.max(0, this.#parts.length - LOOK_BACK)
    let at = this.#parts.length - 1
    while (at >= first && this.#parts[at]?.agentPath?.join() !== path) at--
    return at < first ? -1 : at
  }

  get #isCrowded(): boolean {
    return this.#isDraining || this.#isFull
  }

  get #isFull(): boolean {
    return this.#parts.length >= CAPACITY
  }
}

/** Two neighbouring parts as one, where nothing is lost by that. */
function merge(last: StreamPart | undefined, part: StreamPart): StreamPart | undefined {
  if (last === undefined || last.type !== part.type || !last.agentPath !== !part.agentPath) return undefined
  if (last.type === 'text-delta' && part.type === 'text-delta') {
    return last.role === part.role && last.inner === part.inner ? { ...last, text: last.text + part.text } : undefined
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

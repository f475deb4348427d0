/** Something of a session is another than it was, on this tab or another. */
export interface SessionChange {
  /** The session's id; null when all of them were deleted. */
  readonly id: string | null
  readonly type: 'messages' | 'title' | 'run' | 'deleted'
}

/** Tells this tab and the others what changed. */
export interface SessionChanges {
  tell(change: SessionChange): void
  /** The returned function ends it. */
  subscribe(listener: (change: SessionChange) => void): () => void
  close(): void
}

/** @param name of the channel between tabs: the name of the database */
export function createSessionChanges(name: string): SessionChanges {
  const listeners = new Set<(change: SessionChange) => void>()
  let channel: BroadcastChannel | undefined
  let isClosed = false

  function notify(change: SessionChange): void {
    for (const listener of [...listeners]) {
      try {
        listener(change)
      } catch (error) {
        // A listener's own error is its page's, and stops no other.
        queueMicrotask(() => {
          throw error
        })
      }
    }
  }

  function open(): BroadcastChannel | undefined {
    if (channel || isClosed || typeof BroadcastChannel === 'undefined') return channel
    channel = new BroadcastChannel(name)
    channel.onmessage = ({ data }) => {
      if (isChange(data)) notify(data)
    }
    // Only Node has it: an open channel would keep the process alive.
    ;(channel as { unref?(): void }).unref?.()
    return channel
  }

  return {
    tell(change) {
      open()?.postMessage(change)
      notify(change)
    },
    subscribe(listener) {
      // One entry for each call, also of the same function twice.
      const own = (change: SessionChange) => listener(change)
      listeners.add(own)
      open()
      return () => {
        listeners.delete(own)
      }
    },
    close() {
      isClosed = true
      listeners.clear()
      channel?.close()
      channel = undefined
    },
  }
}

function isChange(data: unknown): data is SessionChange {
  const { id, type } = (data ?? {}) as Partial<Record<keyof SessionChange, unknown>>
  return (id === null || typeof id === 'string') && typeof type === 'string'
}

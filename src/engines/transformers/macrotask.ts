let channel: MessageChannel | undefined
let waiting: (() => void)[] = []

function wake(): void {
  const due = waiting
  waiting = []
  for (const resolve of due) resolve()
}

/**
 * Resolves in a new task, so that messages (a cancel, credits, a heartbeat) are heard in between. A library that awaits
 * only settled promises never gives the event loop a turn. Costs some microseconds, unlike a timer.
 */
export function nextMacrotask(): Promise<void> {
  if (!channel) {
    channel = new MessageChannel()
    channel.port1.onmessage = wake
    // Node keeps a process alive for an open port; browsers have no such method.
    ;(channel.port1 as { unref?: () => void }).unref?.()
  }
  const { port2 } = channel
  return new Promise((resolve) => {
    waiting.push(resolve)
    if (waiting.length === 1) port2.postMessage(null)
  })
}

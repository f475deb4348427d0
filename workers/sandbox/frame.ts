// The script of the sandbox's frame: of opaque origin, under a policy that allows this script and workers from blobs, and nothing else. It only
// starts the worker in which a tool's code runs, and passes messages on. See src/tools/open-sandbox.ts.

interface Start {
  readonly code: string
  readonly call: unknown
}

addEventListener('message', ({ data, source, ports: [port] }: MessageEvent<Start>) => {
  if (source !== parent || port === undefined) return
  let hasAnswered = false
  try {
    const worker = new Worker(URL.createObjectURL(new Blob([data.code], { type: 'text/javascript' })))
    worker.onmessage = (event) => {
      hasAnswered = true
      port.postMessage(event.data)
    }
    worker.onerror = (event) => {
      event.preventDefault()
      // A worker that the page's policy refuses says nothing.
      const isBlocked = !hasAnswered && !event.message
      port.postMessage(isBlocked ? { type: 'blocked' } : { type: 'error', message: event.message })
    }
    worker.postMessage(data.call)
    port.onmessage = (event) => worker.postMessage(event.data)
  } catch {
    port.postMessage({ type: 'blocked' })
  }
})
parent.postMessage('alcove-sandbox-ready', '*')

/** How long the page waits for its service worker before it goes on without it, in milliseconds. */
const PATIENCE_MS = 2500

/**
 * Registers the service worker, so that the page works without a network from the second visit on. Resolves when it sees this page's
 * requests: workers that are opened after that are kept as well. Never rejects; without it everything else works.
 */
export async function serveOffline(): Promise<void> {
  const container = navigator.serviceWorker
  // The page of a development server is made anew all the time.
  if (!container || import.meta.env.DEV) return
  try {
    await container.register('./sw.js')
  } catch {
    return
  }
  if (container.controller) return
  await new Promise<void>((resolve) => {
    container.addEventListener('controllerchange', () => resolve(), { once: true })
    setTimeout(resolve, PATIENCE_MS)
  })
}

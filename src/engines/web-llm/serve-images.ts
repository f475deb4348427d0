import { installGlobal } from './global-view.js'
import type { PreparedImage } from './images.js'

const served = new Map<string, Set<PreparedImage>>()
let restore: (() => void) | undefined

/**
 * Gives pictures to WebLLM, which fetches them by their addresses while it reads a prompt: `fetch` is seen through a thin view meanwhile. As
 * `data:` addresses they would need a policy that lets the page fetch those, and hold each picture once more as text.
 * @returns ends it
 */
export function serveImages(images: Iterable<PreparedImage>): () => void {
  const own = [...images].map((image) => ({ ...image }))
  for (const image of own) served.set(image.url, (served.get(image.url) ?? new Set()).add(image))
  if (own.length > 0) restore ??= installGlobal('fetch', createView(globalThis.fetch))
  return () => {
    for (const image of own) {
      const others = served.get(image.url)
      others?.delete(image)
      if (others?.size === 0) served.delete(image.url)
    }
    if (served.size > 0) return
    restore?.()
    restore = undefined
  }
}

const createView =
  (real: typeof fetch): typeof fetch =>
  async (input, init) => {
    const url = input instanceof Request ? input.url : String(input)
    const [image] = served.get(url) ?? []
    return image ? new Response(image.blob) : real.call(globalThis, input, init)
  }

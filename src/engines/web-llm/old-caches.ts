import { type ModelSpec, parseModelId } from '../engine.js'

/** Caches in which WebLLM itself kept files before the weight loader did; their names are its own. */
const NAMES = ['webllm/model', 'webllm/config', 'webllm/wasm'] as const

/** Deletes what is left of a model in WebLLM's own caches, and the caches with the last model in them. */
export async function removeOldCaches({ id }: ModelSpec, caches = globalThis.caches): Promise<void> {
  const folder = `/${parseModelId(id).repo}/`
  let isEmpty = true
  for (const name of NAMES) {
    // To open a cache would make it.
    if (!(await caches?.has(name))) continue
    const cache = await caches.open(name)
    for (const request of await cache.keys()) {
      if (new URL(request.url).pathname.includes(folder)) await cache.delete(request)
    }
    // The libraries have no folder of their model.
    if (name !== 'webllm/wasm' && (await cache.keys()).length > 0) isEmpty = false
  }
  if (isEmpty) for (const name of NAMES) await caches?.delete(name)
}

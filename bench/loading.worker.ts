// Ways to keep a model file on this device and to have its bytes again, in a worker, as engines do it.
import { expose } from 'comlink'
import type { ModelSpec } from '../src/engines/engine.js'
import { createWeightLoader } from '../src/engines/weights/weights.js'

const spec = (modelsUrl: string, folder: string, cacheName: string): ModelSpec => ({
  id: `transformers:${folder}`,
  baseUrl: modelsUrl,
  allowRemote: false,
  hubUrl: 'https://huggingface.co/',
  cacheName,
})

const CACHE = 'bench-loading-whole'

/** Milliseconds until all bytes are in one buffer. */
async function timeBytes(open: () => Promise<Response>, bytes: number): Promise<number> {
  const start = performance.now()
  const { byteLength } = await (await open()).arrayBuffer()
  if (byteLength !== bytes) throw new Error(`expected ${bytes} bytes, got ${byteLength}`)
  return performance.now() - start
}

function loaderOf(way: 'files' | 'pieces', modelsUrl: string, folder: string) {
  return createWeightLoader(spec(modelsUrl, folder, `bench-loading-${way}`), way === 'files' ? {} : { directory: null })
}

async function openWhole(url: string): Promise<Response> {
  const cache = await caches.open(CACHE)
  const kept = await cache.match(url)
  if (kept) return kept
  await cache.put(url, await fetch(url, { cache: 'no-store' }))
  return (await cache.match(url)) as Response
}

const api = {
  /** Opens a file in one way; `isFirst`: it is not kept yet. */
  async open(
    way: 'files' | 'pieces' | 'whole',
    { modelsUrl, folder, file, bytes, isFirst }: Place & { readonly isFirst: boolean },
  ): Promise<number> {
    if (way === 'whole') {
      if (isFirst) await caches.delete(CACHE)
      return timeBytes(() => openWhole(`${modelsUrl}${folder}/${file}`), bytes)
    }
    const loader = loaderOf(way, modelsUrl, folder)
    if (isFirst) await loader.remove()
    return timeBytes(() => loader.open(file), bytes)
  },
  async clear({ modelsUrl, folder }: Place): Promise<void> {
    await caches.delete(CACHE)
    await loaderOf('files', modelsUrl, folder).remove()
    await loaderOf('pieces', modelsUrl, folder).remove()
  },
}

export interface Place {
  readonly modelsUrl: string
  readonly folder: string
  readonly file: string
  readonly bytes: number
}
export type LoadingApi = typeof api

expose(api)

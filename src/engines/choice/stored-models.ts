import { listWeights, weightFolder } from '../weights/kept-weights.js'
import { createModelSpec, type ModelSources } from './model-spec.js'

/** Where WebLLM keeps the weights of its models; the name is its own. */
const WEBLLM_CACHE = 'webllm/model'

/** Which of these models have files on this device, whole or in part. Asks no server. */
export async function storedModels(ids: readonly string[], sources: ModelSources): Promise<ReadonlySet<string>> {
  const [folders, addresses] = await Promise.all([keptFolders(sources.cacheName), cachedAddresses()])
  const isStored = (id: string): boolean => {
    if (id.startsWith('webllm:')) return addresses.some((address) => address.includes(`/${id.slice(7)}/`))
    try {
      return folders.has(weightFolder(createModelSpec(id, sources)))
    } catch {
      // The browser's own model, remote ones and the extractive answerer have no files here.
      return false
    }
  }
  return new Set(ids.filter(isStored))
}

async function keptFolders(cacheName: string): Promise<ReadonlySet<string>> {
  const kept = await listWeights(cacheName).catch(() => [])
  return new Set(kept.map(({ folder }) => folder))
}

async function cachedAddresses(): Promise<readonly string[]> {
  try {
    // To open a cache would make it.
    if (!(await globalThis.caches?.has(WEBLLM_CACHE))) return []
    return (await (await caches.open(WEBLLM_CACHE)).keys()).map(({ url }) => url)
  } catch {
    return []
  }
}

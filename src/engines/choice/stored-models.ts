import { listWeights, weightFolder } from '../weights/kept-weights.js'
import { createModelSpec, type ModelSources } from './model-spec.js'

/** Which of these models have files on this device, whole or in part. Asks no server. */
export async function storedModels(ids: readonly string[], sources: ModelSources): Promise<ReadonlySet<string>> {
  const folders = await keptFolders(sources.cacheName)
  const isStored = (id: string): boolean => {
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

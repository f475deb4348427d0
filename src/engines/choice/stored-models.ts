import { listWeights, weightFolder } from '../weights/kept-weights.js'
import { createModelSpec, type ModelSources } from './model-spec.js'

/** So much may be kept of a model that was only asked about: its configuration, and WebLLM's list of the weights. */
const MAX_ASKED_BYTES = 2_000_000

/** Of which of these models more is on this device, whole or in part, than a question about them leaves. Asks no server. */
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
  return new Set(kept.filter(({ bytes }) => bytes > MAX_ASKED_BYTES).map(({ folder }) => folder))
}

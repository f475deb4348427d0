import { type ModelSpec, parseModelId } from '../engine.js'
import { openFileStores, type StorageAccess } from './open-stores.js'

/** The files of one model that are kept here. */
export interface KeptWeights {
  /** What the keys of its files begin with. */
  readonly folder: string
  readonly bytes: number
  /** Last use, in milliseconds since the epoch, to the hour. */
  readonly usedAt: number
}

/** What the keys of a model's files begin with: the address of its folder on the hub, from wherever they came. */
export function weightFolder(spec: ModelSpec): string {
  return `${spec.hubUrl}${weightPath(spec)}`
}

/** The folder of a model in the hub's layout. */
export function weightPath({ id, hubRepo, revision }: ModelSpec): string {
  return `${hubRepo ?? repoOnHub(id)}/resolve/${encodeURIComponent(revision ?? 'main')}/`
}

/** The folder of a model under a page's own address. WebLLM's models lie there as on the hub. */
export function basePath({ id }: ModelSpec): string {
  const { scheme, repo } = parseModelId(id)
  return scheme === 'webllm' ? `${repo}/resolve/main/` : `${repo}/`
}

/** WebLLM's ids are names in its authors' account; builds that differ in their library only (`-1k`, `-b4`) have the same weights. */
function repoOnHub(id: string): string {
  const { scheme, repo } = parseModelId(id)
  return scheme === 'webllm' && !repo.includes('/') ? `mlc-ai/${repo.replace(/-(?:1k|b\d+)$/, '')}` : repo
}

const FOLDER = /^.*?\/resolve\/[^/]+\//

/** All models that have files here, whole or in part, least recently used first. Reads no weights. */
export async function listWeights(name: string, access?: StorageAccess): Promise<KeptWeights[]> {
  const found = new Map<string, KeptWeights>()
  for (const store of openFileStores(name, access)) {
    for (const { head, keptBytes, usedAt } of await store.list('')) {
      const folder = FOLDER.exec(head.key)?.[0] ?? head.key
      const known = found.get(folder)
      found.set(folder, {
        folder,
        bytes: (known?.bytes ?? 0) + keptBytes,
        usedAt: Math.max(known?.usedAt ?? 0, usedAt),
      })
    }
  }
  return [...found.values()].sort((a, b) => a.usedAt - b.usedAt)
}

/** Deletes the files of a folder, or with `''` all. */
export async function deleteWeights(name: string, folder: string, access?: StorageAccess): Promise<void> {
  for (const store of openFileStores(name, access)) {
    for (const { head } of await store.list(folder)) await store.drop(head.key)
  }
}

/** Whether a file of this folder is being fetched now, in this tab or another. */
export async function isFetching(
  name: string,
  folder: string,
  locks: Pick<LockManager, 'query'> | undefined = globalThis.navigator?.locks,
): Promise<boolean> {
  const { held = [] } = (await locks?.query().catch(() => undefined)) ?? {}
  return held.some((lock) => lock.name?.startsWith(weightLockName(name, folder)))
}

/** Name of the Web Lock under which a file is fetched. */
export const weightLockName = (name: string, key: string): string => `alcove-weights ${name} ${key}`

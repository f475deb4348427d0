import type { Sessions } from './agents/session/sessions.js'
import type { StorageApi } from './client.js'
import type { Documents } from './compose-documents.js'
import type { Models } from './compose-models.js'
import { createModelSpec, type ModelSources } from './engines/choice/model-spec.js'
import { deleteWeights, type KeptWeights, listWeights, weightFolder } from './engines/weights/kept-weights.js'
import { AlcoveError } from './protocol/error.js'
import type { Settings } from './settings.js'
import { openStore } from './store/idb-store.js'
import { hasRoomFor, storageEstimate } from './store/quota.js'
import { createStorageManager } from './store/storage-manager.js'
import type { Store } from './store/store.js'

/** What is kept on this device, of all kinds. */
export interface Storage {
  readonly api: StorageApi
  /** Makes room for a download. @throws AlcoveError `quota-exceeded` */
  reserve(modelId: string, bytes: number): Promise<void>
  /** What is kept of each of these models. */
  describe(ids: readonly string[]): Promise<ReadonlyMap<string, StoredModel>>
  setPinned(modelId: string, isPinned: boolean): Promise<void>
}

export interface StoredModel {
  readonly storedBytes: number
  /** Milliseconds since the epoch. */
  readonly usedAt: number | undefined
  readonly pinned: boolean
}

export interface StorageParts {
  readonly settings: Settings
  readonly sources: ModelSources
  readonly models: Models
  readonly documents: Documents
  readonly sessions: () => Promise<Sessions>
}

/** Caches in which WebLLM itself kept files under earlier versions of this package. */
const OLD_CACHES = ['webllm/model', 'webllm/config', 'webllm/wasm']
const PINS = 'pinned-models'

export function composeStorage(parts: StorageParts): Storage {
  const { settings, sources, models, documents } = parts
  const { cacheName } = sources
  let opened: Promise<Store> | undefined
  const store = () => {
    opened ??= openStore(`${settings.storageName}-storage`)
    return opened
  }

  const pins = async (): Promise<readonly string[]> => {
    const kept = await (await store()).get<unknown>(PINS).catch(() => undefined)
    return Array.isArray(kept) ? kept.filter((id) => typeof id === 'string') : []
  }

  /** Weights that neither a pin, nor use, nor the download that is about to begin holds. */
  async function unused(reservedFor?: string): Promise<KeptWeights[]> {
    const { chosen } = models.registry.report()
    const held = [...(await pins()), ...Object.values(chosen), documents.embedder.current?.id, reservedFor]
    const folders = new Set(held.map((id) => folderOf(id ?? undefined, sources)))
    return (await listWeights(cacheName)).filter(({ folder }) => !folders.has(folder))
  }

  const managerFor = (reservedFor?: string) =>
    createStorageManager({
      budgetBytes: settings.budgetBytes,
      estimate: storageEstimate,
      hasRoomFor,
      kinds: [
        {
          name: 'answers',
          bytes: models.answerUsage,
          evict: () => freeAll(models.answerUsage, models.clearAnswers),
        },
        {
          name: 'embeddings',
          bytes: async () => (await documents.corpora.usage()).embeddings.bytes,
          evict: () =>
            freeAll(
              async () => (await documents.corpora.usage()).embeddings.bytes,
              () => documents.corpora.clear('embeddings'),
            ),
        },
        {
          name: 'models',
          bytes: async () => sumOf(await unused(reservedFor)),
          evict: async (bytes) => evictWeights(await unused(reservedFor), bytes, cacheName),
        },
      ],
    })

  return {
    api: storageApi(parts, async () => (await store()).clear()),
    async reserve(id, bytes) {
      await managerFor(id).reserve(bytes)
    },
    async describe(ids) {
      const [kept, pinned] = await Promise.all([listWeights(cacheName), pins()])
      const rowOf = (id: string): StoredModel => {
        const found = kept.find(({ folder }) => folder === folderOf(id, sources))
        return { storedBytes: found?.bytes ?? 0, usedAt: found?.usedAt, pinned: pinned.includes(id) }
      }
      return new Map(ids.map((id) => [id, rowOf(id)]))
    },
    async setPinned(id, isPinned) {
      createModelSpec(id, sources)
      const others = (await pins()).filter((each) => each !== id)
      await (await store()).write({ set: [[PINS, isPinned ? [...others, id] : others]] })
    },
  }
}

/** The folder of a model that has one; 'extractive' and models of the caller's own have none. */
function folderOf(id: string | undefined, sources: ModelSources): string | undefined {
  try {
    return id === undefined ? undefined : weightFolder(createModelSpec(id, sources))
  } catch {
    return undefined
  }
}

const sumOf = (kept: readonly KeptWeights[]) => kept.reduce((sum, { bytes }) => sum + bytes, 0)

async function freeAll(usage: () => Promise<number>, clear: () => Promise<void>): Promise<number> {
  const before = await usage()
  if (before > 0) await clear()
  return before
}

/** Least recently used first. */
async function evictWeights(kept: readonly KeptWeights[], wanted: number, cacheName: string): Promise<number> {
  let freed = 0
  for (const { folder, bytes } of kept) {
    if (freed >= wanted) break
    await deleteWeights(cacheName, folder)
    freed += bytes
  }
  return freed
}

function storageApi(
  { sources, models, documents, sessions }: StorageParts,
  clearPins: () => Promise<void>,
): StorageApi {
  const { cacheName } = sources
  return {
    async usage() {
      const [answers, retrieval, chats, weights, oldBytes, estimate] = await Promise.all([
        models.answerUsage(),
        documents.corpora.usage(),
        sessions().then((opened) => opened.usage()),
        listWeights(cacheName),
        cachedBytes(OLD_CACHES),
        storageEstimate(),
      ])
      const kinds = {
        answers,
        embeddings: retrieval.embeddings.bytes,
        corpora: retrieval.corpora.bytes,
        sessions: chats,
        models: sumOf(weights) + oldBytes,
      }
      const total = Object.values(kinds).reduce((sum, bytes) => sum + bytes, 0)
      return { ...kinds, total, quotaBytes: estimate.quotaBytes, persistent: retrieval.isPersistent }
    },
    async clear(kind) {
      if (kind === 'answers') await models.clearAnswers()
      else if (kind === 'corpora' || kind === 'embeddings') await documents.corpora.clear(kind)
      else if (kind === 'sessions') await (await sessions()).clear()
      else if (kind === 'models') {
        const { embedder } = documents
        if (embedder.current?.loaded) await embedder.drop(embedder.current.id)
        await models.registry.dispose()
        await deleteWeights(cacheName, '')
        await Promise.all([cacheName, ...OLD_CACHES].map((name) => globalThis.caches?.delete(name)))
        await clearPins().catch(() => {})
      } else {
        throw new AlcoveError(
          'invalid-argument',
          `storage.clear: expected answers, embeddings, corpora, sessions or models, got ${String(kind)}`,
        )
      }
    },
  }
}

/** Bytes of what Cache API caches hold, by the lengths that their answers name. */
async function cachedBytes(names: readonly string[]): Promise<number> {
  let total = 0
  try {
    for (const name of names) {
      if (!(await caches.has(name))) continue
      const cache = await caches.open(name)
      for (const request of await cache.keys()) {
        total += Number((await cache.match(request))?.headers.get('content-length') ?? 0)
      }
    }
  } catch {
    // No Cache API here, or it is blocked: then nothing is kept in it.
  }
  return total
}

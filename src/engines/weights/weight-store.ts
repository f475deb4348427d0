import { AlcoveError, toAlcoveError } from '../../protocol/error.js'

/** What came of keeping a file. */
export type KeepResult = { readonly stored: true } | { readonly stored: false; readonly error: AlcoveError }

/** The files of one model that are kept on this device. */
export interface WeightStore {
  match(url: string): Promise<Response | undefined>
  /** Keeps a whole file, or says why not; never throws. */
  put(url: string, file: Blob, headers: Readonly<Record<string, string>>): Promise<KeepResult>
  delete(url: string): Promise<void>
  /** Addresses that begin with `prefix`. */
  list(prefix: string): Promise<string[]>
}

const refused = (error: unknown): KeepResult => ({
  stored: false,
  error:
    (error as { name?: unknown } | null)?.name === 'QuotaExceededError'
      ? toAlcoveError(error, 'quota-exceeded')
      : new AlcoveError('store-blocked', `this page may not keep model files: ${String(error)}`, { cause: error }),
})

/**
 * A weight store over the Cache API. Where there is none (insecure context) or it is refused (storage blocked), nothing
 * is kept and nothing fails.
 */
export function openWeightStore(cacheName: string, storage: CacheStorage | undefined): WeightStore {
  const open = async () => {
    if (!storage) throw new Error('the Cache API is missing (it needs https or localhost)')
    return storage.open(cacheName)
  }
  const attempt = async <T>(use: (cache: Cache) => Promise<T>, otherwise: T): Promise<T> => {
    try {
      return await use(await open())
    } catch {
      return otherwise
    }
  }

  return {
    match: (url) => attempt((cache) => cache.match(url), undefined),
    async put(url, file, headers) {
      try {
        await (await open()).put(url, new Response(file, { headers }))
        return { stored: true }
      } catch (error) {
        return refused(error)
      }
    },
    delete: (url) => attempt((cache) => cache.delete(url).then(() => undefined), undefined),
    list: (prefix) =>
      attempt(
        async (cache) => (await cache.keys()).map((request) => request.url).filter((url) => url.startsWith(prefix)),
        [],
      ),
  }
}

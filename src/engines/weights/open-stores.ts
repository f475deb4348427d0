import { createCacheStore } from './cache-store.js'
import type { FileStore } from './file-store.js'
import { createOpfsStore } from './opfs-store.js'

/** Where files can be kept. */
export interface StorageAccess {
  /** @default the global Cache API, where there is one; `null`: not used */
  readonly caches?: CacheStorage | null | undefined
  /** The origin private file system. @default that of this thread, where there is one; `null`: not used */
  readonly directory?: (() => Promise<FileSystemDirectoryHandle>) | null | undefined
}

/**
 * The stores of this thread, best first: files where there are any, which stay on disk when they are read; else the Cache API, which
 * pages and some private windows have only. What one of them has is found, whichever it is.
 */
export function openFileStores(
  name: string,
  { caches, directory, now = Date.now }: StorageAccess & { readonly now?: (() => number) | undefined } = {},
): readonly FileStore[] {
  const root = directory === null ? undefined : (directory ?? ownDirectory())
  const storage = caches === null ? undefined : (caches ?? ownCaches())
  return [...(root ? [createOpfsStore(name, root, now)] : []), createCacheStore(name, storage, now)]
}

function ownDirectory(): (() => Promise<FileSystemDirectoryHandle>) | undefined {
  const storage = globalThis.navigator?.storage
  return typeof storage?.getDirectory === 'function' ? () => storage.getDirectory() : undefined
}

/** The Cache API of this thread; reading the property alone throws in some sandboxed frames. */
function ownCaches(): CacheStorage | undefined {
  try {
    return globalThis.caches
  } catch {
    return undefined
  }
}

import { installGlobal } from './global-view.js'

/** The files of one model, as WebLLM is given them. */
export interface ServedFiles {
  readonly names: readonly string[]
  /** Rejects where there is no such file. */
  open(name: string): Promise<Response>
}

export interface Served {
  /** Address of the folder that WebLLM is told of. */
  readonly folder: string
  /** The files are not asked for any more. */
  end(): void
}

/** A name that no network ever finds (RFC 2606): what does not come through here fails instead of going to a server. */
const HOST = 'https://alcove.invalid/'
/** WebLLM's caches are `webllm/model`, `webllm/config` and `webllm/wasm`. */
const SCOPE = 'webllm/'

const served = new Map<string, ServedFiles>()
let count = 0
let restore: (() => void) | undefined

/**
 * Gives files to WebLLM under an address of their own. WebLLM reads every file through `caches.open('webllm/…')` of its thread and has no
 * other place to hook in, so that `caches` is seen through a thin view while files are served: what lies in a served folder is
 * answered by `open`, everything else by the caches that are there.
 */
export function serveFiles(files: ServedFiles): Served {
  const folder = `${HOST}${++count}/resolve/main/`
  served.set(folder, files)
  restore ??= installGlobal('caches', createView(ownCaches()))
  return {
    folder,
    end() {
      served.delete(folder)
      if (served.size > 0) return
      restore?.()
      restore = undefined
    },
  }
}

/** Reading the property alone throws in some sandboxed frames. */
function ownCaches(): CacheStorage | undefined {
  try {
    return globalThis.caches
  } catch {
    return undefined
  }
}

function createView(real: CacheStorage | undefined): CacheStorage {
  const storage = (): CacheStorage => {
    if (real) return real
    throw new Error('the Cache API is missing (it needs https or localhost)')
  }
  return {
    open: async (name) => (name.startsWith(SCOPE) ? createCacheView(() => storage().open(name)) : storage().open(name)),
    has: async (name) => storage().has(name),
    keys: async () => storage().keys(),
    delete: async (name) => storage().delete(name),
    match: async (request, options) => storage().match(request, options),
  }
}

/** The part of `Cache` that WebLLM uses. */
type UsedCache = Pick<Cache, 'add' | 'delete' | 'keys' | 'match' | 'put'>

function createCacheView(real: () => Promise<Cache>): Cache {
  const view: UsedCache = {
    async match(request, options) {
      const file = findFile(urlOf(request))
      return file ? file.files.open(file.name) : (await real()).match(request, options)
    },
    async add(request) {
      const file = findFile(urlOf(request))
      if (file) await file.files.open(file.name)
      else await (await real()).add(request)
    },
    async put(request, response) {
      if (!findFile(urlOf(request))) await (await real()).put(request, response)
    },
    async delete(request, options) {
      return findFile(urlOf(request)) ? false : (await real()).delete(request, options)
    },
    /** WebLLM asks whether it has all files, and then reads them one after the other. */
    keys: async () =>
      [...served].flatMap(([folder, { names }]) => names.map((name) => new Request(new URL(name, folder)))),
  }
  return view as Cache
}

const urlOf = (request: RequestInfo | URL): string => (request instanceof Request ? request.url : String(request))

function findFile(url: string): { readonly files: ServedFiles; readonly name: string } | undefined {
  for (const [folder, files] of served) if (url.startsWith(folder)) return { files, name: url.slice(folder.length) }
  return undefined
}

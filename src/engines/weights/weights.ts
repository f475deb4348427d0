import { AlcoveError, isAlcoveError } from '../../protocol/error.js'
import { throwIfAborted } from '../../runtime/abort.js'
import { type Clock, systemClock } from '../../runtime/clock.js'
import { createSharedTask, type SharedTask } from '../../runtime/shared-task.js'
import { sha256Hex } from '../../text/hash.js'
import { type FileFacts, type ModelSpec, parseModelId } from '../engine.js'
import { type DownloadContext, download, request, type WeightSource } from './weight-download.js'
import { type KeepResult, openWeightStore, type WeightStore } from './weight-store.js'

export interface OpenOptions {
  readonly signal?: AbortSignal | undefined
  /** Bytes so far, and in all where known. A kept file reports once. */
  readonly onProgress?: ((loaded: number, total?: number) => void) | undefined
}

/** The one way by which engines come to model files. */
export interface WeightLoader {
  /**
   * Opens a file: the kept copy, else from the self-hosted address, else from the hub where that is allowed and the
   * self-hosted address has nothing of this model yet. Each answer has `Content-Length`; header `x-alcove-stored` says
   * whether the file is now kept. Calls at the same time share one download, also across loaders. A file is kept only
   * when it is whole and as expected.
   * @throws AlcoveError `model-not-found`, `integrity-failed`, `network`, `http-status`, `download-refused`, `aborted`
   */
  open(file: string, options?: OpenOptions): Promise<Response>
  /**
   * What is known of a file without fetching it; undefined when no source has it. With `keptOnly` nobody is asked: undefined when it
   * is not kept here.
   * @throws AlcoveError `network`, `http-status`, `download-refused`, `aborted`
   */
  head(
    file: string,
    options?: { readonly signal?: AbortSignal | undefined; readonly keptOnly?: boolean | undefined },
  ): Promise<{ readonly bytes?: number | undefined; readonly stored: boolean } | undefined>
  /** Bytes of this model that are kept here. */
  storedBytes(): Promise<number>
  /** Forgets the kept files of this model. */
  remove(): Promise<void>
}

export interface WeightLoaderOptions {
  /** @default the global fetch */
  readonly fetch?: typeof fetch | undefined
  /** @default the global Cache API, where there is one; `null`: keep nothing */
  readonly caches?: CacheStorage | null | undefined
  /** The page's own origin. @default that of this thread */
  readonly origin?: string | undefined
  /** @default the system's */
  readonly clock?: Clock | undefined
  /** Told once for each file that could not be kept (quota, blocked storage). The file is used all the same. */
  readonly onNotStored?: ((file: string, error: AlcoveError) => void) | undefined
}

interface Download {
  readonly file: Blob
  readonly source: WeightSource['name']
  readonly kept: KeepResult
}
interface Progress {
  readonly loaded: number
  readonly total: number | undefined
}
type Downloads = Map<string, SharedTask<Download, Progress>>

/** The largest file whose hash is checked: WebCrypto cannot hash a stream, so the whole must be in memory. */
const MAX_HASHED_BYTES = 268_435_456
const FILE_NAME = /^[\w][\w.+-]*(?:\/[\w][\w.+-]*)*$/

/** Files that a model may do without. That the hub has none is remembered, so that a kept model starts without a network. */
const OPTIONAL_FILE = /^(?:generation_config\.json|chat_template\.jinja)$/
const ABSENT_HEADER = 'x-alcove-absent-since'
const ABSENT_MS = 7 * 86_400_000

/** Downloads under way, by the fetch that does them and by kept address. */
const running = new WeakMap<typeof fetch, Downloads>()

/** A loader for the files of one model. */
export function createWeightLoader(spec: ModelSpec, options: WeightLoaderOptions = {}): WeightLoader {
  const { repo } = parseModelId(spec.id)
  const fetchFile = options.fetch ?? globalThis.fetch
  const store = openWeightStore(spec.cacheName, options.caches === null ? undefined : (options.caches ?? ownCaches()))
  const context = {
    fetch: fetchFile,
    clock: options.clock ?? systemClock,
    onlyOrigin: spec.allowRemote ? undefined : (options.origin ?? globalThis.origin ?? ''),
  }
  const hubFolder = `${spec.hubUrl}${spec.hubRepo ?? repo}/resolve/${encodeURIComponent(spec.revision ?? 'main')}/`
  const downloads: Downloads = running.get(fetchFile) ?? new Map()
  running.set(fetchFile, downloads)
  // A model comes from one place: once the self-hosted address had a file of it, the hub is not asked for the others.
  let baseHasModel = false

  const sourcesOf = (file: string): WeightSource[] => {
    if (!FILE_NAME.test(file)) throw new AlcoveError('invalid-argument', `expected a plain file path, got '${file}'`)
    const sources: WeightSource[] = []
    if (spec.baseUrl !== undefined) sources.push({ name: 'base', url: `${spec.baseUrl}${repo}/${file}` })
    if (spec.allowRemote && !spec.selfHostedOnly && !baseHasModel) {
      sources.push({ name: 'hub', url: `${hubFolder}${file}` })
    }
    return sources
  }

  const noteSource = (name: string | null) => {
    if (name === 'base') baseHasModel = true
  }

  const openKept = async (key: string, facts: FileFacts | undefined): Promise<Response | undefined> => {
    const kept = await store.match(key)
    if (!kept) return undefined
    const absentSince = kept.headers.get(ABSENT_HEADER)
    if (absentSince !== null) {
      if (context.clock.wallTime() - Number(absentSince) > ABSENT_MS) return undefined
      throw new AlcoveError('model-not-found', `the model has no file '${key}'`)
    }
    const bytes = Number(kept.headers.get('content-length'))
    if (facts?.bytes === undefined || facts.bytes === bytes) return kept
    await store.delete(key)
    return undefined
  }

  const shareDownload = (key: string, file: string, facts: FileFacts | undefined): SharedTask<Download, Progress> => {
    const name = [spec.cacheName, spec.baseUrl, key].join(' ')
    const present = downloads.get(name)
    if (present) return present
    const forget = () => {
      if (downloads.get(name) === task) downloads.delete(name)
    }
    const task = createSharedTask<Download, Progress>(async ({ signal, report }) => {
      try {
        return await fetchAndKeep({ file, key, facts, store, sources: sourcesOf(file) }, { ...context, signal, report })
      } finally {
        forget()
      }
    }, forget)
    downloads.set(name, task)
    return task
  }

  return {
    async open(file, { signal, onProgress } = {}) {
      sourcesOf(file)
      const key = `${hubFolder}${file}`
      const facts = spec.files?.[file]
      const kept = await openKept(key, facts)
      throwIfAborted(signal)
      if (kept) {
        noteSource(kept.headers.get('x-alcove-source'))
        const bytes = Number(kept.headers.get('content-length'))
        onProgress?.(bytes, bytes)
        return kept
      }
      const result = await shareDownload(key, file, facts).join({
        signal,
        ...(onProgress && { onProgress: ({ loaded, total }: Progress) => onProgress(loaded, total ?? facts?.bytes) }),
      })
      noteSource(result.source)
      if (!result.kept.stored) options.onNotStored?.(file, result.kept.error)
      return new Response(result.file, { headers: headersOf(result.file, result.source, result.kept.stored) })
    },

    async head(file, { signal = new AbortController().signal, keptOnly = false } = {}) {
      const kept = await openKept(`${hubFolder}${file}`, spec.files?.[file])
      if (kept) {
        noteSource(kept.headers.get('x-alcove-source'))
        return { bytes: Number(kept.headers.get('content-length')), stored: true }
      }
      if (keptOnly) return undefined
      const found = await firstOf(sourcesOf(file), (source) => headSource(source, { ...context, signal }))
      if (!found) return undefined
      noteSource(found.source.name)
      return { bytes: spec.files?.[file]?.bytes ?? found.value.bytes, stored: false }
    },

    async storedBytes() {
      const urls = await store.list(hubFolder)
      const kept = await Promise.all(urls.map((url) => store.match(url)))
      return kept.reduce((sum, response) => sum + Number(response?.headers.get('content-length') ?? 0), 0)
    },

    async remove() {
      for (const url of await store.list(hubFolder)) await store.delete(url)
    },
  }
}

/** The Cache API of this thread; reading the property alone throws in some sandboxed frames. */
function ownCaches(): CacheStorage | undefined {
  try {
    return globalThis.caches
  } catch {
    return undefined
  }
}

const headersOf = (file: Blob, source: string, stored: boolean) => ({
  'content-type': 'application/octet-stream',
  'content-length': String(file.size),
  'x-alcove-source': source,
  'x-alcove-stored': String(stored),
})

interface FetchTask {
  readonly file: string
  readonly key: string
  readonly facts: FileFacts | undefined
  readonly store: WeightStore
  readonly sources: readonly WeightSource[]
}

async function fetchAndKeep(task: FetchTask, context: DownloadContext): Promise<Download> {
  const found = await firstOf(task.sources, async (source) => {
    const blob = await download(source, context)
    if (blob) await checkFile(blob, source, task.facts)
    return blob
  })
  if (!found) {
    if (OPTIONAL_FILE.test(task.file) && task.sources.some(({ name }) => name === 'hub')) {
      await task.store.put(task.key, new Blob(), { [ABSENT_HEADER]: String(context.clock.wallTime()) })
    }
    const tried = task.sources.map((source) => source.url).join(' and ') || 'nowhere'
    throw new AlcoveError('model-not-found', `expected the model file '${task.file}', but it is not at ${tried}`, {
      hint: 'Check the model id, and that the file is served there (not an index page).',
      details: { file: task.file, tried: task.sources.map((source) => source.url) },
    })
  }
  const { name } = found.source
  const kept = await task.store.put(task.key, found.value, headersOf(found.value, name, true))
  return { file: found.value, source: name, kept }
}

/**
 * The first source that has the file. A source that fails is skipped when a later one has it; when none has, the first
 * failure is thrown, because then nobody knows whether the file is missing.
 */
async function firstOf<T>(
  sources: readonly WeightSource[],
  ask: (source: WeightSource) => Promise<T | undefined>,
): Promise<{ readonly source: WeightSource; readonly value: T } | undefined> {
  let failure: { readonly error: unknown } | undefined
  for (const source of sources) {
    try {
      const value = await ask(source)
      if (value !== undefined) return { source, value }
    } catch (error) {
      if (isAlcoveError(error, 'aborted') || isAlcoveError(error, 'timeout')) throw error
      failure ??= { error }
    }
  }
  if (failure) throw failure.error
  return undefined
}

async function headSource(
  source: WeightSource,
  context: Pick<DownloadContext, 'fetch' | 'signal' | 'onlyOrigin'>,
): Promise<{ readonly bytes?: number | undefined } | undefined> {
  let response: Response | undefined
  try {
    response = await request(source, { method: 'HEAD' }, context)
  } catch (error) {
    const { status } = isAlcoveError(error, 'http-status') ? error.details : {}
    if (status !== 405 && status !== 501) throw error
    response = await request(source, { headers: { range: 'bytes=0-0' } }, context)
    await response?.body?.cancel().catch(() => {})
  }
  if (!response) return undefined
  const size = response.headers.get('content-range')?.split('/')[1] ?? response.headers.get('content-length')
  const bytes = Number(size ?? Number.NaN)
  return { bytes: Number.isSafeInteger(bytes) && !response.headers.get('content-encoding') ? bytes : undefined }
}

/** @throws AlcoveError `integrity-failed` when the file is not the expected one */
async function checkFile(file: Blob, source: WeightSource, facts: FileFacts | undefined): Promise<void> {
  const fail = (what: string, expected: unknown, got: unknown) => {
    throw new AlcoveError('integrity-failed', `expected ${what} ${expected} of ${source.url}, got ${got}`, {
      details: { url: source.url, expected, got },
    })
  }
  if (facts?.bytes !== undefined && facts.bytes !== file.size) fail('the length', facts.bytes, file.size)
  if (facts?.sha256 === undefined || file.size > MAX_HASHED_BYTES) return
  const hash = await sha256Hex(new Uint8Array(await file.arrayBuffer()))
  if (hash !== facts.sha256.toLowerCase()) fail('the SHA-256', facts.sha256, hash)
}

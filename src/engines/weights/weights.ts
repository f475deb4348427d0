import { AlcoveError, type AlcoveErrorCode, isAlcoveError } from '../../protocol/error.js'
import { throwIfAborted } from '../../runtime/abort.js'
import { type Clock, systemClock } from '../../runtime/clock.js'
import { createSharedTask, type SharedTask } from '../../runtime/shared-task.js'
import { sha256Hex } from '../../text/hash.js'
import type { FileFacts, ModelSpec } from '../engine.js'
import type { FileStore, KeptFile } from './file-store.js'
import { basePath, weightFolder, weightLockName, weightPath } from './kept-weights.js'
import knownFiles from './known-files.json' with { type: 'json' }
import { openFileStores, type StorageAccess } from './open-stores.js'
import { PIECE_BYTES, type TransferContext, transfer } from './weight-download.js'
import { type Draft, openDraft } from './weight-draft.js'
import { type LockQueue, waitForLock } from './weight-lock.js'
import { request, type WeightSource } from './weight-request.js'

export interface OpenOptions {
  readonly signal?: AbortSignal | undefined
  /** Bytes so far, and in all where known. A kept file reports once. */
  readonly onProgress?: ((loaded: number, total?: number) => void) | undefined
  /** What a person may want to know, such as that a transfer begins again. */
  readonly onNotice?: ((message: string) => void) | undefined
}

/** What is known of a file without its bytes. */
export interface FileState {
  readonly bytes?: number | undefined
  /** All of it is kept here. */
  readonly stored: boolean
  /** Bytes of a part that is kept here, from a download that was broken off. */
  readonly keptBytes?: number | undefined
}

/** The one way by which engines come to model files. */
export interface WeightLoader {
  /**
   * Opens a file: the kept copy, else from the self-hosted address, else from mirrors and the hub where that is allowed and the
   * self-hosted address has nothing of this model yet. It is kept piece by piece as it comes, so that a load that was broken off
   * in any way goes on from there. Each answer has `Content-Length`; header `x-alcove-stored` says whether the file is now kept.
   * Calls at the same time share one download, also across loaders and tabs. A file is given out only when it is whole and as expected.
   * @throws AlcoveError `model-not-found`, `integrity-failed`, `network`, `http-status`, `download-refused`, `aborted`,
   *   `quota-exceeded` for a large file that there is no room for, before it is fetched
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
  ): Promise<FileState | undefined>
  /** Bytes of this model that are kept here, parts of files included. */
  storedBytes(): Promise<number>
  /**
   * Looks at every byte that is kept of this model and forgets the pieces that have changed since they were fetched. The next `open`
   * fetches what is missing.
   * @returns whether there were any
   */
  dropChanged(): Promise<boolean>
  /** As `dropChanged`; where no piece has changed, the files themselves are wrong and all are forgotten. */
  repair(): Promise<void>
  /** Forgets the kept files of this model, or one of them. */
  remove(file?: string): Promise<void>
}

export interface WeightLoaderOptions extends StorageAccess {
  /** @default the global fetch */
  readonly fetch?: typeof fetch | undefined
  /** The page's own origin. @default that of this thread */
  readonly origin?: string | undefined
  /** @default the system's */
  readonly clock?: Clock | undefined
  /** One holder at a time in all tabs. @default the Web Locks of this thread, where there are any; `null`: none */
  readonly locks?: LockQueue | null | undefined
  /** Told once for each file that could not be kept (quota, blocked storage). The file is used all the same. */
  readonly onNotStored?: ((file: string, error: AlcoveError) => void) | undefined
}

interface Download {
  readonly file: Blob
  readonly source: string
  readonly error: AlcoveError | undefined
}
type Progress = { readonly loaded: number; readonly total: number | undefined } | { readonly notice: string }
type Downloads = Map<string, SharedTask<Download, Progress>>

const FILE_NAME = /^[\w][\w.+-]*(?:\/[\w][\w.+-]*)*$/

/** Files that a model may do without. That a source has none is remembered, so that a kept model starts without a network. */
const OPTIONAL_FILE = /^(?:generation_config\.json|chat_template\.jinja|preprocessor_config\.json)$/
/** For the hub, and for a self-hosted address, whose owner may be at work on it. */
const ABSENT_MS = 7 * 86_400_000
const ABSENT_AT_HOME_MS = 3_600_000
/** A use is noted at most this often. */
const NOTE_USE_MS = 3_600_000

/** Downloads under way, by the fetch that does them and by kept address. */
const running = new WeakMap<typeof fetch, Downloads>()

/** What is known of the catalogue's files, by the path of their folder on the hub. Written by `scripts/catalogue.mjs`. */
const KNOWN_FILES: Readonly<Record<string, Readonly<Record<string, FileFacts>>>> = knownFiles

/** A loader for the files of one model. */
export function createWeightLoader(spec: ModelSpec, options: WeightLoaderOptions = {}): WeightLoader {
  const fetchFile = options.fetch ?? globalThis.fetch
  const clock = options.clock ?? systemClock
  const stores = openFileStores(spec.cacheName, { ...options, now: clock.wallTime })
  const locks = options.locks === null ? undefined : (options.locks ?? globalThis.navigator?.locks)
  const context = {
    fetch: fetchFile,
    clock,
    onlyOrigin: spec.allowRemote ? undefined : (options.origin ?? globalThis.origin ?? ''),
  }
  const downloads: Downloads = running.get(fetchFile) ?? new Map()
  running.set(fetchFile, downloads)
  const known = KNOWN_FILES[weightPath(spec)]
  const factsOf = (file: string): FileFacts | undefined => {
    const [own, common] = [spec.files?.[file], known?.[file]]
    return own && common ? { ...common, ...own } : (own ?? common)
  }

  const places = createPlaces(spec, (file) => factsOf(file)?.url)

  const findKept = (file: string) => findWhole(stores, places.keyOf(file), factsOf(file), clock.wallTime())

  /** @throws AlcoveError `model-not-found` for a file that is known to be nowhere */
  const openKept = async (file: string): Promise<{ readonly blob: Blob; readonly kept: KeptFile } | undefined> => {
    const found = await findKept(file)
    if (found === 'absent') throw new AlcoveError('model-not-found', `the model has no file '${file}'`)
    const blob = found && (await found.store.blob(found.kept))
    if (!found || blob?.size !== found.kept.completeBytes) return undefined
    if (clock.wallTime() - found.kept.usedAt > NOTE_USE_MS) {
      await found.store.note(places.keyOf(file), { usedAt: clock.wallTime() })
    }
    return { blob: blob as Blob, kept: found.kept }
  }

  const shareDownload = (file: string): SharedTask<Download, Progress> => {
    const key = places.keyOf(file)
    const name = [spec.cacheName, spec.baseUrl, key].join(' ')
    const present = downloads.get(name)
    if (present) return present
    const forget = () => {
      if (downloads.get(name) === task) downloads.delete(name)
    }
    const task = createSharedTask<Download, Progress>(async ({ signal, report }) => {
      const share: TransferContext = {
        ...context,
        facts: factsOf(file),
        signal,
        report,
        say: (notice) => report({ notice }),
      }
      try {
        return await waitForLock(
          weightLockName(spec.cacheName, key),
          { locks, clock, signal, onWait: () => reportOther(stores, key, report) },
          async (hasWaited) => {
            const other = hasWaited ? await openKept(file) : undefined
            if (other) return { file: other.blob, source: other.kept.head.source, error: undefined }
            return fetchAndKeep({ file, key, stores, sources: places.sourcesOf(file) }, share)
          },
        )
      } finally {
        forget()
      }
    }, forget)
    downloads.set(name, task)
    return task
  }

  return {
    async open(file, { signal, onProgress, onNotice } = {}) {
      places.sourcesOf(file)
      const found = await openKept(file)
      throwIfAborted(signal)
      if (found) {
        places.note(found.kept.head.source)
        onProgress?.(found.blob.size, found.blob.size)
        return answerOf(found.blob, found.kept.head.source, true)
      }
      const result = await shareDownload(file).join({
        signal,
        onProgress(progress) {
          if ('notice' in progress) onNotice?.(progress.notice)
          else onProgress?.(progress.loaded, progress.total ?? factsOf(file)?.bytes)
        },
      })
      places.note(result.source)
      if (result.error) options.onNotStored?.(file, result.error)
      return answerOf(result.file, result.source, !result.error)
    },

    async head(file, { signal = new AbortController().signal, keptOnly = false } = {}) {
      const found = await findKept(file)
      if (found === 'absent') return undefined
      if (found) {
        places.note(found.kept.head.source)
        return { bytes: found.kept.completeBytes, stored: true }
      }
      if (keptOnly) return undefined
      const asked = await firstOf(places.sourcesOf(file), (source) => headSource(source, { ...context, signal }))
      if (!asked) return undefined
      places.note(asked.source.name)
      const parts = await Promise.all(stores.map((store) => store.find(places.keyOf(file))))
      const keptBytes = Math.max(0, ...parts.map((part) => part?.keptBytes ?? 0))
      return { bytes: factsOf(file)?.bytes ?? asked.value.bytes, stored: false, ...(keptBytes > 0 && { keptBytes }) }
    },

    async storedBytes() {
      const kept = await Promise.all(stores.map((store) => store.list(places.folder)))
      return kept.flat().reduce((sum, { keptBytes }) => sum + keptBytes, 0)
    },

    async dropChanged() {
      let isChanged = false
      for (const store of stores) {
        for (const kept of await store.list(places.folder)) isChanged = (await dropBroken(store, kept)) || isChanged
      }
      return isChanged
    },

    async repair() {
      if (!(await this.dropChanged())) await this.remove()
    },

    async remove(file) {
      for (const store of stores) {
        if (file !== undefined) await store.drop(places.keyOf(file))
        else for (const { head } of await store.list(places.folder)) await store.drop(head.key)
      }
    },
  }
}

/** Where the files of a model may be. */
interface Places {
  /** What all keys of this model begin with. */
  readonly folder: string
  keyOf(file: string): string
  /** In the order in which they are asked. */
  sourcesOf(file: string): readonly WeightSource[]
  /** A source had a file of the model. */
  note(source: string | null): void
}

/** @param urlOf address of a file that the hub's side keeps elsewhere */
function createPlaces(spec: ModelSpec, urlOf: (file: string) => string | undefined): Places {
  const own = basePath(spec)
  const path = weightPath(spec)
  const folder = weightFolder(spec)
  // A model comes from one place: once the self-hosted address had a file of it, the hub is not asked for the others.
  let baseHasModel = false
  return {
    folder,
    keyOf: (file) => `${folder}${file}`,
    sourcesOf(file) {
      if (!FILE_NAME.test(file)) throw new AlcoveError('invalid-argument', `expected a plain file path, got '${file}'`)
      const base: WeightSource[] =
        spec.baseUrl === undefined ? [] : [{ name: 'base', url: `${spec.baseUrl}${own}${file}` }]
      if (!spec.allowRemote || spec.selfHostedOnly || baseHasModel) return base
      const mirrors = (spec.mirrors ?? []).map((url): WeightSource => ({ name: 'mirror', url: `${url}${path}${file}` }))
      return [...base, ...mirrors, { name: 'hub', url: urlOf(file) ?? `${folder}${file}` }]
    },
    note(source) {
      if (source === 'base') baseHasModel = true
    },
  }
}

/** A whole file that is kept and is of the expected length, or the knowledge that there is none. */
async function findWhole(
  stores: readonly FileStore[],
  key: string,
  facts: FileFacts | undefined,
  now: number,
): Promise<{ readonly store: FileStore; readonly kept: KeptFile } | 'absent' | undefined> {
  for (const store of stores) {
    const kept = await store.find(key)
    if (!kept) continue
    if (kept.absentSince !== undefined) {
      const isFresh = now - kept.absentSince <= (kept.head.source === 'base' ? ABSENT_AT_HOME_MS : ABSENT_MS)
      if (isFresh) return 'absent'
      await store.drop(key)
    } else if (kept.completeBytes !== undefined) {
      const { bytes = kept.completeBytes, url } = facts ?? {}
      const isElsewhere = url !== undefined && kept.head.source === 'hub' && kept.head.url !== url
      if (bytes === kept.completeBytes && !isElsewhere) return { store, kept }
      await store.drop(key)
    }
  }
  return undefined
}

const answerOf = (file: Blob, source: string, stored: boolean) =>
  new Response(file, {
    headers: {
      'content-type': 'application/octet-stream',
      'content-length': String(file.size),
      'x-alcove-source': source,
      'x-alcove-stored': String(stored),
    },
  })

/** Bytes that another tab has fetched of a file. */
async function reportOther(stores: readonly FileStore[], key: string, report: (progress: Progress) => void) {
  for (const store of stores) {
    const kept = await store.find(key)
    if (kept) return report({ loaded: kept.keptBytes, total: kept.head.bytes })
  }
}

interface FetchTask {
  readonly file: string
  readonly key: string
  readonly stores: readonly FileStore[]
  readonly sources: readonly WeightSource[]
}

async function fetchAndKeep(task: FetchTask, context: TransferContext): Promise<Download> {
  const draft = await openDraft({ key: task.key, stores: task.stores, facts: context.facts })
  const answers = new Map<WeightSource, string>()
  try {
    const found = await firstOf(task.sources, (source) =>
      fetchFrom(source, draft, { ...context, onMissing: (answer) => answers.set(source, answer) }),
    )
    if (found) return { file: found.value, source: found.source.name, error: draft.error }
  } finally {
    await draft.close()
    // What was begun and has nothing yet is no part to go on from.
    if (draft.bytes === 0) for (const store of task.stores) await store.drop(task.key)
  }
  const tried = task.sources.map(({ url }) => url)
  const places = task.sources.map((source) => `${source.url} (${answers.get(source) ?? 'another file'})`)
  const isForbidden = [...answers.values()].some((answer) => /40[13]/.test(answer))
  if (OPTIONAL_FILE.test(task.file)) await noteAbsent(task, context.clock.wallTime())
  throw new AlcoveError(
    'model-not-found',
    `expected the model file '${task.file}', but it is not at ${places.join(' and ') || 'any place'}`,
    {
      hint: isForbidden
        ? 'Check the model id, and who may read the files there.'
        : 'Check the model id, and that the file is served there (not an index page).',
      details: { file: task.file, tried },
    },
  )
}

async function fetchFrom(source: WeightSource, draft: Draft, context: TransferContext): Promise<Blob | undefined> {
  const bytes = await transfer(source, draft, context)
  return bytes === undefined ? undefined : draft.finish(bytes, context.signal)
}

async function noteAbsent({ key, stores, sources }: FetchTask, now: number): Promise<void> {
  const source = sources.at(-1)
  if (!source) return
  const head = { key, url: source.url, source: source.name, bytes: 0, pieceBytes: PIECE_BYTES }
  for (const store of stores) if (await store.note(key, { absentSince: now, head })) return
}

/** What no other source would mend. */
const FINAL: readonly AlcoveErrorCode[] = ['aborted', 'timeout', 'quota-exceeded']

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
      if (isAlcoveError(error) && FINAL.includes(error.code)) throw error
      failure ??= { error }
    }
  }
  if (failure) throw failure.error
  return undefined
}

async function headSource(
  source: WeightSource,
  context: Pick<TransferContext, 'fetch' | 'signal' | 'onlyOrigin'>,
): Promise<{ readonly bytes?: number | undefined } | undefined> {
  let response: Response | undefined
  try {
    response = await request(source, { method: 'HEAD' }, context)
  } catch (error) {
    const { status } = isAlcoveError(error, 'http-status') ? (error.details ?? {}) : {}
    if (status !== 405 && status !== 501) throw error
    response = await request(source, { headers: { range: 'bytes=0-0' } }, context)
    await response?.body?.cancel().catch(() => {})
  }
  if (!response) return undefined
  const size = response.headers.get('content-range')?.split('/')[1] ?? response.headers.get('content-length')
  const bytes = Number(size ?? Number.NaN)
  return { bytes: Number.isSafeInteger(bytes) && !response.headers.get('content-encoding') ? bytes : undefined }
}

/** Forgets the pieces of a file whose bytes are not those that were fetched. @returns whether there were any */
async function dropBroken(store: FileStore, kept: KeptFile): Promise<boolean> {
  const broken: number[] = []
  for (const [index, sha256] of kept.pieces) {
    const piece = await store.piece(kept, index)
    const bytes = await piece?.arrayBuffer().catch(() => undefined)
    if (!bytes || (await sha256Hex(new Uint8Array(bytes))) !== sha256) broken.push(index)
  }
  if (broken.length > 0) await store.drop(kept.head.key, broken)
  return broken.length > 0
}

import type { Corpus, DocumentInput, DocumentSummary } from 'alcove'

/** A row of the document list: a stored document, or one that is on its way in, or one that failed. */
export interface DocumentRow {
  readonly key: string
  readonly title: string
  readonly kind: string
  readonly state: 'waiting' | 'reading' | 'embedding' | 'ready' | 'failed'
  readonly sample: boolean
  /** Id in the corpus, once it is there. */
  readonly id?: string | undefined
  readonly pages?: number | undefined
  readonly chunks?: number | undefined
  readonly bytes?: number | undefined
  readonly done?: number | undefined
  readonly total?: number | undefined
  readonly error?: { readonly code: string; readonly message: string; readonly hint: string } | undefined
}

interface Pending {
  row: DocumentRow
  readonly input: DocumentInput
  controller: AbortController
}

export interface Documents {
  rows(): readonly DocumentRow[]
  /** Adds documents; each has its own row, its own failure and its own way to be stopped. */
  add(inputs: readonly DocumentInput[]): void
  retry(key: string): void
  /** Removes a stored document, stops one on its way, or dismisses a failure. */
  remove(key: string): Promise<void>
  clear(): Promise<void>
  /** Resolves when nothing is on its way in, or after a while, or when the signal is aborted. */
  settled(limitMs: number, signal: AbortSignal): Promise<void>
  /** Reads the list from the corpus again. */
  refresh(): Promise<void>
}

export interface DocumentsOptions {
  readonly corpus: () => Promise<Corpus>
  readonly onChange: () => void
  readonly onReady: (row: DocumentRow) => void
  readonly onFailed: (row: DocumentRow) => void
}

/** How many documents are read at once. The corpus has a pool of readers; more would only hold bytes in memory. */
const AT_ONCE = 3

export function createDocuments(options: DocumentsOptions): Documents {
  let stored: readonly DocumentRow[] = []
  const pending = new Map<string, Pending>()
  const queue: string[] = []
  const waiting = new Set<() => void>()
  let active = 0
  let made = 0

  async function refresh(): Promise<void> {
    const corpus = await options.corpus()
    stored = (await corpus.list()).map(toRow)
    options.onChange()
  }

  function update(key: string, change: Partial<DocumentRow>): void {
    const entry = pending.get(key)
    if (!entry) return
    entry.row = { ...entry.row, ...change }
    options.onChange()
  }

  async function readOne(key: string): Promise<void> {
    const entry = pending.get(key)
    if (!entry) return
    const { signal } = entry.controller
    update(key, { state: 'reading', error: undefined })
    try {
      const corpus = await options.corpus()
      for await (const progress of corpus.add(entry.input, { signal })) {
        if (progress.type === 'failed') throw progress.error
        if (progress.type === 'reading' || progress.type === 'embedding') {
          const { type, title, pages, chunksDone, chunksTotal } = progress
          update(key, {
            state: type,
            title,
            ...(pages !== undefined && { pages }),
            done: chunksDone,
            total: chunksTotal,
          })
        }
      }
      pending.delete(key)
      await refresh()
      options.onReady(entry.row)
    } catch (error) {
      if (signal.aborted) return
      update(key, { state: 'failed', error: describeError(error) })
      options.onFailed(entry.row)
    }
  }

  function pump(): void {
    while (active < AT_ONCE && queue.length > 0) {
      const key = queue.shift()
      if (key === undefined || !pending.has(key)) continue
      active++
      void readOne(key).finally(() => {
        active--
        pump()
        for (const settle of waiting) settle()
      })
    }
  }

  return {
    rows: () => [...[...pending.values()].map((entry) => entry.row), ...stored],
    refresh,
    add(inputs) {
      const keys = inputs.map((input) => {
        const key = `new-${++made}`
        const title = (input instanceof File ? input.name : (input as { title?: string }).title) ?? ''
        const row: DocumentRow = {
          key,
          title,
          kind: kindOf(fileNameOf(input) ?? title),
          state: 'waiting',
          sample: isSample(input),
        }
        pending.set(key, { row, input, controller: new AbortController() })
        return key
      })
      queue.push(...keys)
      options.onChange()
      pump()
    },
    settled: (limitMs, signal) =>
      new Promise((resolve) => {
        const settle = (): void => {
          if (active > 0 || queue.length > 0) return
          done()
        }
        const done = (): void => {
          clearTimeout(timer)
          waiting.delete(settle)
          resolve()
        }
        const timer = setTimeout(done, limitMs)
        signal.addEventListener('abort', done, { once: true })
        waiting.add(settle)
        settle()
      }),
    retry(key) {
      const entry = pending.get(key)
      if (entry?.row.state !== 'failed') return
      entry.controller = new AbortController()
      queue.push(key)
      update(key, { state: 'waiting', error: undefined })
      pump()
    },
    async remove(key) {
      const entry = pending.get(key)
      if (entry) {
        entry.controller.abort()
        pending.delete(key)
      } else {
        const corpus = await options.corpus()
        await corpus.remove(key)
        stored = stored.filter((row) => row.key !== key)
      }
      options.onChange()
    },
    async clear() {
      for (const { controller } of pending.values()) controller.abort()
      pending.clear()
      queue.length = 0
      const corpus = await options.corpus()
      await corpus.clear()
      stored = []
      options.onChange()
    },
  }
}

const fileNameOf = (input: DocumentInput): string | undefined => {
  const file = input instanceof Blob ? input : input.data
  return file instanceof File ? file.name : undefined
}

const isSample = (input: DocumentInput): boolean => !(input instanceof Blob) && input.metadata?.sample === true

function toRow(summary: DocumentSummary): DocumentRow {
  const { id, title, mediaType, pages, chunks, bytes, metadata } = summary
  const name = typeof metadata.file === 'string' ? metadata.file : title
  return {
    key: id,
    id,
    title,
    kind: kindOf(name, mediaType),
    state: 'ready',
    sample: metadata.sample === true,
    pages,
    chunks,
    bytes,
  }
}

const KINDS: readonly (readonly [RegExp, string])[] = [
  [/pdf/, 'PDF'],
  [/wordprocessingml|docx/, 'DOCX'],
  [/presentationml|pptx/, 'PPTX'],
  [/spreadsheetml|xlsx/, 'XLSX'],
  [/html?$/, 'HTML'],
  [/markdown|\.md$/, 'MD'],
  [/csv|tab-separated|\.tsv$/, 'CSV'],
  [/json/, 'JSON'],
]

/** What kind of document it is, in at most four letters, by its media type or else its name. */
export function kindOf(name: string, mediaType = ''): string {
  const clue = mediaType !== '' && mediaType !== 'text/plain' ? mediaType : name.toLowerCase()
  return KINDS.find(([pattern]) => pattern.test(clue))?.[1] ?? 'TXT'
}

function describeError(error: unknown): NonNullable<DocumentRow['error']> {
  const { code, message, hint } = (error ?? {}) as { code?: string; message?: string; hint?: string }
  return { code: code ?? 'parse-failed', message: message ?? String(error), hint: hint ?? '' }
}

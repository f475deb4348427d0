import type { Alcove, ModelListing, StatusPart } from 'alcove'

export type ErrorLine = { readonly code: string; readonly message: string; readonly hint: string }

/** A load in progress, or how the last one failed. */
export interface ModelLoad {
  readonly id: string
  readonly kind: 'chat' | 'embedding'
  readonly status: StatusPart | undefined
  readonly error?: ErrorLine
}

export interface Models {
  /** Rows as last listed; undefined before the first list. */
  rows(): readonly ModelListing[] | undefined
  loads(): readonly ModelLoad[]
  /** The model that answers now. */
  chosen(): string
  listError(): boolean
  /** Asks again which models there are. One list at a time. */
  list(): Promise<void>
  /** Loads a model and takes it. Resolves with whether it is in use now. */
  use(kind: ModelLoad['kind'], id: string): Promise<boolean>
  cancel(id: string): void
  remove(id: string): Promise<void>
  /** Goes back to quotes: all model files are about to go. */
  forget(): Promise<void>
  title(id: string | undefined): string
  /** Whether documents' own words come first with this model. */
  isQuoting(id: string): boolean
  isLoaded(kind: ModelLoad['kind']): boolean
}

export interface ModelsOptions {
  readonly alcove: () => Promise<Alcove>
  readonly chosen: string | undefined
  /** Names for models before the list has been read. */
  readonly titles: Readonly<Record<string, string>>
  readonly quotesTitle: string
  readonly onChange: () => void
  /** A model was taken, or given up: the person's choice, to keep. */
  readonly onChosen: (id: string) => void
  /** The embedding model was taken, or deleted by the person. */
  readonly onEmbedding: (wanted: boolean) => void
}

export const QUOTES = 'extractive'

export function createModels({ alcove, onChange, onChosen, onEmbedding, ...options }: ModelsOptions): Models {
  let rows: readonly ModelListing[] | undefined
  let listing: Promise<void> | undefined
  let next: Promise<void> | undefined
  let listError = false
  let chosen = QUOTES
  let embeddingLoaded = false
  const loads = new Map<string, ModelLoad>()
  const controllers = new Map<string, AbortController>()
  const row = (id: string): ModelListing | undefined => rows?.find((listed) => listed.id === id)

  async function readList(): Promise<void> {
    try {
      rows = await (await alcove()).models.list()
      listError = false
    } catch {
      listError = true
    } finally {
      onChange()
    }
  }

  function setLoad(load: ModelLoad): void {
    loads.set(load.id, load)
    onChange()
  }

  async function load(kind: ModelLoad['kind'], id: string, signal: AbortSignal): Promise<void> {
    const onProgress = (status: StatusPart): void => {
      if (!signal.aborted) setLoad({ id, kind, status })
    }
    const client = await alcove()
    if (kind === 'embedding') {
      await client.models.use('embedding', id, { signal, onProgress })
      embeddingLoaded = true
    } else {
      for (const task of ['documents', 'tools', 'chat'] as const) {
        await client.models.use(task, id, { signal, onProgress })
      }
      chosen = id
    }
  }

  async function use(kind: ModelLoad['kind'], id: string): Promise<boolean> {
    if (controllers.has(id)) return false
    // One chat model at a time: the last choice counts.
    if (kind === 'chat') for (const load of loads.values()) if (load.kind === 'chat') controllers.get(load.id)?.abort()
    const controller = new AbortController()
    controllers.set(id, controller)
    setLoad({ id, kind, status: undefined })
    try {
      await load(kind, id, controller.signal)
      loads.delete(id)
      return true
    } catch (error) {
      const { code, message, hint } = error as Partial<ErrorLine>
      if (code === 'aborted' || controller.signal.aborted) loads.delete(id)
      else
        setLoad({
          id,
          kind,
          status: undefined,
          error: { code: code ?? 'model-load-failed', message: message ?? String(error), hint: hint ?? '' },
        })
      return false
    } finally {
      controllers.delete(id)
      onChange()
      if (rows) void list()
    }
  }

  /** One list at a time, and none that began before the question. */
  function list(): Promise<void> {
    const current = listing
    if (!current) {
      listing = readList().finally(() => {
        listing = undefined
      })
      return listing
    }
    next ??= current.then(() => {
      next = undefined
      return list()
    })
    return next
  }

  async function takeChosen(id: string | undefined): Promise<void> {
    if (id === undefined || id === QUOTES) return
    await list()
    // Only what is stored here comes back by itself after a reload: a download is the person's to start.
    if (row(id)?.state === 'available') await use('chat', id)
  }
  void takeChosen(options.chosen)

  return {
    rows: () => rows,
    loads: () => [...loads.values()],
    chosen: () => chosen,
    listError: () => listError,
    list,
    async use(kind, id) {
      const taken = await use(kind, id)
      if (taken && kind === 'chat') onChosen(id)
      if (taken && kind === 'embedding') onEmbedding(true)
      return taken
    },
    cancel: (id) => controllers.get(id)?.abort(),
    async remove(id) {
      if (id === chosen) {
        await use('chat', QUOTES)
        onChosen(QUOTES)
      }
      if (row(id)?.kind === 'embedding') {
        embeddingLoaded = false
        onEmbedding(false)
      }
      await (await alcove()).models.delete(id)
      await list()
    },
    async forget() {
      for (const controller of controllers.values()) controller.abort()
      loads.clear()
      embeddingLoaded = false
      rows = undefined
      if (chosen !== QUOTES) await use('chat', QUOTES)
      onChosen(QUOTES)
    },
    title: (id) =>
      id === undefined || id === QUOTES
        ? options.quotesTitle
        : (row(id)?.title ?? options.titles[id] ?? id.split('/').at(-1)?.split(':').at(-1) ?? id),
    isQuoting: (id) => id === QUOTES || (row(id)?.trust ?? 'draft') === 'draft',
    isLoaded: (kind) => (kind === 'embedding' ? embeddingLoaded : chosen !== QUOTES),
  }
}

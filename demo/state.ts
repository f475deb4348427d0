import { settle, type Turn } from './turn.js'

/** What a reload must not lose, next to the documents, which the corpus keeps. */
export interface Saved {
  readonly turns: readonly Turn[]
  /** The half-written question. */
  readonly draft: string
  /** The model that the person picked; undefined: quotes only. */
  readonly model: string | undefined
  /** False when the person deleted the embedding model: then it is not fetched again unasked. */
  readonly findByMeaning: boolean
  /** Whether the sample documents were put in once: what was removed stays removed. */
  readonly samplesOffered: boolean
}

const KEY = 'alcove-demo'
const VERSION = 1
const SAVE_DELAY_MS = 250
const EMPTY: Saved = { turns: [], draft: '', model: undefined, findByMeaning: true, samplesOffered: false }

export interface State {
  readonly current: Saved
  /** Takes a change, and writes it soon. */
  set(change: Partial<Saved>): void
  /** Forgets everything but that the samples were offered. */
  clear(): void
  /** False when the browser refuses to keep anything. */
  readonly keeps: boolean
}

function read(storage: Storage | undefined): Saved {
  try {
    const stored: unknown = JSON.parse(storage?.getItem(KEY) ?? 'null')
    if (typeof stored !== 'object' || stored === null || (stored as { version?: unknown }).version !== VERSION)
      return EMPTY
    const saved = { ...EMPTY, ...(stored as Partial<Saved>) }
    return { ...saved, turns: saved.turns.map(settle) }
  } catch {
    return EMPTY
  }
}

/** `localStorage`, or undefined where the browser refuses it; even naming it may throw. */
function openStorage(): Storage | undefined {
  try {
    return window.localStorage
  } catch {
    return undefined
  }
}

/** Opens what was kept. Works without any storage; then nothing survives a reload. */
export function openState(storage: Storage | undefined = openStorage()): State {
  let current = read(storage)
  let keeps = storage !== undefined
  let timer: ReturnType<typeof setTimeout> | undefined

  function write(): void {
    clearTimeout(timer)
    timer = undefined
    for (const turns of [current.turns, current.turns.slice(-20), current.turns.slice(-2)]) {
      try {
        storage?.setItem(KEY, JSON.stringify({ version: VERSION, ...current, turns }))
        return
      } catch {
        // Too long for what the browser allows: a shorter conversation is better than none.
      }
    }
    keeps = false
  }
  window.addEventListener('pagehide', () => {
    if (timer !== undefined) write()
  })

  return {
    get current() {
      return current
    },
    get keeps() {
      return keeps
    },
    set(change) {
      current = { ...current, ...change }
      timer ??= setTimeout(write, SAVE_DELAY_MS)
    },
    clear() {
      current = { ...EMPTY, samplesOffered: true }
      write()
    },
  }
}

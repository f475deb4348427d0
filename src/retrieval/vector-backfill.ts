import { AlcoveError, toAlcoveError } from '../protocol/error.js'
import { throwIfAborted } from '../runtime/abort.js'
import { createLimiter } from '../runtime/limiter.js'
import type { Locks } from '../runtime/locks.js'
import type { TextEmbedder } from './embed.js'

export interface VectorBackfillOptions {
  readonly locks: Locks
  /** One tab works at a time; the others see what it stored. */
  readonly lockName: string
  /** Embeds every document that has no vectors of this model at this moment. */
  readonly embedMissing: (embedder: TextEmbedder, signal: AbortSignal) => Promise<void>
  readonly onWarning: (error: AlcoveError) => void
}

/** Background work that gives documents their vectors. */
export interface VectorBackfill {
  /** Starts, or has a run that is on its way look once more when it is through. Another model takes the place of the one before. */
  start(embedder: TextEmbedder): void
  stop(reason: AlcoveError): void
}

export function createVectorBackfill(options: VectorBackfillOptions): VectorBackfill {
  const { locks, lockName, embedMissing, onWarning } = options
  let current: { readonly embedder: TextEmbedder; readonly stop: AbortController; isAskedAgain: boolean } | undefined

  function stop(reason: AlcoveError): void {
    current?.stop.abort(reason)
    current = undefined
  }

  function start(embedder: TextEmbedder): void {
    if (current?.embedder === embedder) {
      current.isAskedAgain = true
      return
    }
    stop(new AlcoveError('aborted', 'another embedding model is used from now on'))
    const run = { embedder, stop: new AbortController(), isAskedAgain: true }
    current = run
    const { signal } = run.stop
    const work = async (): Promise<void> => {
      while (run.isAskedAgain && !signal.aborted) {
        run.isAskedAgain = false
        await embedMissing(embedder, signal)
      }
    }
    locks
      .exclusive(lockName, work)
      .catch((error: unknown) => {
        if (!signal.aborted) onWarning(toAlcoveError(error, 'output-invalid', 'documents were not embedded'))
      })
      .finally(() => {
        if (current === run) current = undefined
      })
  }
  return { start, stop }
}

/** Documents that are embedded together in the background, so that tiny ones fill batches. */
const embeddedAtOnce = 32

/** Embeds documents side by side. One that cannot be embedded does not keep the others from it; the first such error comes at the end. */
export async function embedEach<Document>(
  documents: readonly Document[],
  embedOne: (document: Document) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const limiter = createLimiter(embeddedAtOnce)
  const failures: unknown[] = []
  const embed = (document: Document): Promise<void> =>
    limiter.run(() => embedOne(document), { signal }).catch((error: unknown) => void failures.push(error))
  await Promise.all(documents.map(embed))
  throwIfAborted(signal)
  if (failures.length > 0) throw failures[0]
}

import type { AddProgress } from '../protocol/corpus.js'
import { type Clock, systemClock } from '../runtime/clock.js'

/** Rate and time left of an add, and progress that is told no oftener than somebody can look. */
export interface AddMeter {
  /** A document has been cut to so many chunks, all still to do. */
  expect(chunks: number): void
  /** A document needs no chunks: it is unchanged, or failed before it was cut. */
  skip(): void
  /** So many expected chunks will not be done, as their document failed. */
  drop(chunks: number): void
  /** One chunk more of the document is done. Reports when the last report is long enough ago. */
  advance(progress: Omit<AddProgress, 'chunksPerSecond' | 'secondsLeft'>): void
  /** Forgets the rate: time that a pause took does not count. */
  restart(): void
}

export interface AddMeterOptions {
  /** Documents of the add. */
  readonly documents: number
  readonly report: (progress: AddProgress) => void
  readonly clock?: Clock | undefined
}

/** Least time between two reports of `embedding`, in milliseconds. */
const reportEveryMs = 100
/** The rate is that of the last so many milliseconds. */
const windowMs = 10_000
/** Before so much time no rate is told: a first batch says little. */
const leastMs = 300

export function createAddMeter({ documents, report, clock = systemClock }: AddMeterOptions): AddMeter {
  let cut = 0
  let cutChunks = 0
  let skipped = 0
  let done = 0
  let open = 0
  let reportedAt = Number.NEGATIVE_INFINITY
  let samples: { readonly at: number; readonly done: number }[] = [{ at: clock.now(), done: 0 }]

  function rate(): number | undefined {
    const first = samples[0]
    const elapsedMs = clock.now() - (first?.at ?? 0)
    return first === undefined || elapsedMs < leastMs ? undefined : ((done - first.done) / elapsedMs) * 1000
  }

  function estimate(): { chunksPerSecond: number; secondsLeft: number } | undefined {
    const chunksPerSecond = rate()
    if (chunksPerSecond === undefined || chunksPerSecond <= 0) return undefined
    const unread = Math.max(0, documents - cut - skipped)
    const chunksLeft = open + unread * (cut === 0 ? 1 : cutChunks / cut)
    return { chunksPerSecond, secondsLeft: chunksLeft / chunksPerSecond }
  }

  return {
    expect(chunks) {
      if (cut === 0) samples = [{ at: clock.now(), done }]
      cut++
      cutChunks += chunks
      open += chunks
    },
    skip() {
      skipped++
    },
    drop(chunks) {
      open -= chunks
    },
    advance(progress) {
      done++
      open--
      const now = clock.now()
      if (now - reportedAt < reportEveryMs) return
      reportedAt = now
      report({ ...progress, ...estimate() })
      samples.push({ at: now, done })
      while (samples.length > 2 && now - (samples[0]?.at ?? now) > windowMs) samples.shift()
    },
    restart() {
      samples = [{ at: clock.now(), done }]
    },
  }
}

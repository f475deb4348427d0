import type { StatusPart } from '../../protocol/stream-part.js'
import { type Clock, systemClock } from '../../runtime/clock.js'

/** Bytes of the files of a load so far, as status parts. */
export interface LoadMeter {
  /** A file has so many of its bytes. `fromNetwork` false: it was kept, which says nothing about the connection. */
  update(file: string, loaded: number, total: number | undefined, fromNetwork: boolean): void
  /** Reports that the transfer does not go on as it did, and why: without a rate, for there is none now. */
  say(message: string): void
  /** The current part, with another message. */
  part(message: string): StatusPart
}

interface MeteredFile {
  readonly loaded: number
  readonly total: number
  readonly fromNetwork: boolean
  /** Of `loaded`, what says nothing of the connection. */
  readonly keptBytes: number
}

/** At most one part in this time, but for the last of a file. */
const REPORT_EVERY_MS = 100
/** The rate is that of about this time. */
const RATE_WINDOW_MS = 3_000

const sayProgress = (loaded: number, total: number) =>
  loaded < total ? `Loading the model: ${megabytes(loaded)} of ${megabytes(total)}` : 'Starting the model'

const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`

/**
 * A meter for one load. `expectedBytes` is the total as far as it is known before.
 */
export function createLoadMeter(
  modelId: string,
  report: (part: StatusPart) => void,
  { expectedBytes = 0, clock = systemClock }: { expectedBytes?: number | undefined; clock?: Clock | undefined } = {},
): LoadMeter {
  const files = new Map<string, MeteredFile>()
  const samples: { readonly at: number; readonly bytes: number }[] = []
  let reportedAt = Number.NEGATIVE_INFINITY

  const sum = (pick: (file: MeteredFile) => number) => [...files.values()].reduce((all, file) => all + pick(file), 0)

  const rate = (now: number): number | undefined => {
    const bytes = sum((file) => (file.fromNetwork ? file.loaded - file.keptBytes : 0))
    samples.push({ at: now, bytes })
    while (samples.length > 2 && now - (samples[0]?.at ?? now) > RATE_WINDOW_MS) samples.shift()
    const first = samples[0]
    if (!first || now - first.at < 200 || bytes <= first.bytes) return undefined
    return ((bytes - first.bytes) / (now - first.at)) * 1_000
  }

  const part = (message?: string): StatusPart => {
    const loadedBytes = sum((file) => file.loaded)
    const totalBytes = Math.max(
      sum((file) => Math.max(file.total, file.loaded)),
      expectedBytes,
    )
    const bytesPerSecond = rate(clock.now())
    return {
      type: 'status',
      status: 'loading',
      message: message ?? sayProgress(loadedBytes, totalBytes),
      modelId,
      loadedBytes,
      totalBytes,
      ...(bytesPerSecond !== undefined && {
        bytesPerSecond: Math.round(bytesPerSecond),
        secondsLeft: Math.round(((totalBytes - loadedBytes) / bytesPerSecond) * 10) / 10,
      }),
    }
  }

  return {
    update(file, loaded, total, fromNetwork) {
      // What was there at the first report came from an earlier load, or is a first piece that tells no rate.
      const keptBytes = Math.min(files.get(file)?.keptBytes ?? loaded, loaded)
      files.set(file, { loaded, total: total ?? 0, fromNetwork, keptBytes })
      const now = clock.now()
      if (loaded !== total && now - reportedAt < REPORT_EVERY_MS) return
      reportedAt = now
      report(part())
    },
    say(message) {
      const { type, modelId: id = modelId, loadedBytes = 0, totalBytes = 0 } = part(message)
      report({ type, status: 'retrying', message, modelId: id, loadedBytes, totalBytes })
    },
    part,
  }
}

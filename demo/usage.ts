import type { Alcove } from 'alcove'
import { texts } from './texts.js'

export interface UsageNumbers {
  readonly total: number
  readonly modelBytes: number
  /** False when the browser refuses to keep documents. */
  readonly isKept: boolean
  /** Name and bytes of each kind that takes any room. */
  readonly kinds: readonly (readonly [string, number])[]
}

export interface Usage {
  /** Asks again soon; several calls are one. */
  refresh(): void
  latest(): UsageNumbers | undefined
}

const DELAY_MS = 400

/** Follows how much is kept on this device. */
export function createUsage(options: {
  readonly alcove: () => Promise<Alcove>
  readonly show: (usage: UsageNumbers | undefined) => void
}): Usage {
  let asked = false
  let latest: UsageNumbers | undefined

  async function read(): Promise<void> {
    asked = false
    try {
      const usage = await (await options.alcove()).storage.usage()
      const kinds = (Object.keys(texts.documents.usageKinds) as (keyof typeof texts.documents.usageKinds)[])
        .map((kind) => [texts.documents.usageKinds[kind], usage[kind]] as const)
        .filter(([, bytes]) => bytes > 0)
      latest = { total: usage.total, modelBytes: usage.models, isKept: usage.persistent, kinds }
    } catch {
      latest = undefined
    }
    options.show(latest)
  }

  return {
    refresh() {
      if (asked) return
      asked = true
      setTimeout(() => void read(), DELAY_MS)
    },
    latest: () => latest,
  }
}

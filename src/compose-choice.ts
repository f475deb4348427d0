import { embeddingCatalogue, findEntry, nearestIds, webLlmVersion } from './engines/choice/catalogue.js'
import type { ModelConstraints } from './engines/choice/constraints.js'
import type { DeviceProfile } from './engines/choice/device.js'
import { createDeviceNotes, type DeviceNotes } from './engines/choice/device-memory.js'
import type { ModelSources } from './engines/choice/model-spec.js'
import { nearestMiss } from './engines/choice/nearest-miss.js'
import { planLadder } from './engines/choice/plan.js'
import type { Refusal } from './engines/choice/report.js'
import { storedModels } from './engines/choice/stored-models.js'
import type { ModelInspection } from './engines/engine.js'
import { AlcoveError, isAlcoveError } from './protocol/error.js'
import { systemClock } from './runtime/clock.js'
import type { Settings } from './settings.js'
import { openStore } from './store/idb-store.js'
import type { Store } from './store/store.js'

/** Embedding models that are worth a try, best first, and why others are not. */
export interface EmbedderPlan {
  readonly ids: readonly string[]
  readonly refused: readonly Refusal[]
  /** Of those that were refused for what was asked, the nearest, where none is left. */
  readonly nearest?: Refusal | undefined
}

/** What a choice among models needs, and wrong names: loaded with the first of either. */
export interface Choice {
  /** Which of these have files on this device. */
  stored(ids: readonly string[]): Promise<ReadonlySet<string>>
  notes(): Promise<DeviceNotes>
  /** Embedding models of `'auto'`, best first for this device. @param asks whether what needs consent counts as refused */
  planEmbedders(constraints: ModelConstraints, asks: boolean): Promise<EmbedderPlan>
  /** The same error, with the ids of the catalogue that are most like a wrong one. */
  withNearest(id: string, error: unknown): unknown
  /** @throws AlcoveError what an inspection found, where the catalogue has names like it and the engine named none */
  suggestNames(id: string, error: NonNullable<ModelInspection['error']>): void
  close(): Promise<void>
}

export interface ChoiceParts {
  readonly settings: Settings
  readonly sources: ModelSources
  readonly device: () => Promise<DeviceProfile>
  readonly consentLimits: () => Promise<{ readonly unaskedBytes: number; readonly canAsk: boolean }>
}

export function composeChoice({ settings, sources, device, consentLimits }: ChoiceParts): Choice {
  let store: Promise<Store> | undefined
  let notes: Promise<DeviceNotes> | undefined
  const open = (): Promise<Store> => {
    store ??= openStore(`${settings.storageName}-devices`)
    return store
  }
  const stored = (ids: readonly string[]) => storedModels(ids, sources)

  function withNearest(id: string, error: unknown): unknown {
    const nearest = nearestIds(id)
    if (!isAlcoveError(error) || nearest.length === 0) return error
    const { code, message, cause, details } = error
    const hint = `Did you mean ${nearest.map((name) => `'${name}'`).join(', ')}?`
    return new AlcoveError(code, message, { hint, cause, details: { nearest, ...details } })
  }

  return {
    stored,
    withNearest,
    notes() {
      notes ??= device().then(({ fingerprint = '' }) =>
        createDeviceNotes(open, `${fingerprint}|${webLlmVersion}`, systemClock.wallTime),
      )
      return notes
    },
    async planEmbedders({ languages, maxDownloadBytes, maxMemoryBytes }, asks) {
      const ids = embeddingCatalogue.map(({ id }) => id)
      const input = {
        device: await device(),
        constraints: { languages, maxDownloadBytes, maxMemoryBytes },
        stored: await stored(ids),
        consent: asks ? await consentLimits() : undefined,
        isFree: true,
      }
      const { rungs, refused } = planLadder(ids, input)
      const nearest = rungs.length === 0 ? nearestMiss(ids, input, refused) : undefined
      return { ids: rungs.map(({ id }) => id), refused, nearest }
    },
    suggestNames(id, { code, message, hint }) {
      if (findEntry(id) || hint.startsWith('Did you mean')) return
      const error = new AlcoveError(code, message, { hint })
      const suggested = withNearest(id, error)
      if (suggested !== error) throw suggested
    },
    async close() {
      await (await store)?.close()
    },
  }
}

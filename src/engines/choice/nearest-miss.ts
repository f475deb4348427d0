import { findEntry, speaks } from './catalogue.js'
import type { ModelConstraints } from './constraints.js'
import { reachableContext } from './memory.js'
import { leastDownload, type PlanInput, planLadder } from './plan.js'
import type { Refusal } from './report.js'

/** A language that is missing weighs as much as a download, or a context, that is wrong by eight times. */
const LANGUAGE_WEIGHT = 3

/**
 * Of the models that were refused for what is asked of them, and that this device can run, the one that comes nearest: what would fit best if
 * less were asked, or more allowed. Undefined where the device itself refuses all.
 */
export function nearestMiss(
  ids: readonly string[],
  input: PlanInput,
  refused: readonly Refusal[],
): Refusal | undefined {
  const { constraints = {}, consent } = input
  const { maxMemoryBytes, maxFirstTokenMs } = constraints
  const reasons = new Map(refused.map((row) => [row.model, row]))
  const runnable = planLadder(ids, {
    device: input.device,
    memory: input.memory,
    stored: input.stored,
    constraints: { maxMemoryBytes, maxFirstTokenMs },
  })
  const misses = runnable.rungs.flatMap(({ id }) => {
    const reason = reasons.get(id)
    return reason && findEntry(id) ? [{ reason, distance: distanceTo(id, constraints, consent?.unaskedBytes) }] : []
  })
  return misses.sort((first, second) => first.distance - second.distance)[0]?.reason
}

/** By how many times a model misses what is asked, as powers of two, all added up. */
function distanceTo(id: string, constraints: ModelConstraints, unaskedBytes: number | undefined): number {
  const entry = findEntry(id)
  if (!entry) return Number.POSITIVE_INFINITY
  const { languages = [], minContextTokens = 0, maxDownloadBytes = Number.POSITIVE_INFINITY } = constraints
  const missing = languages.filter((language) => !speaks(entry, language)).length
  const context = minContextTokens / reachableContext(entry, minContextTokens)
  const allowed = Math.min(maxDownloadBytes, unaskedBytes ?? Number.POSITIVE_INFINITY)
  const download = leastDownload(entry) / Math.max(allowed, 1)
  return missing * LANGUAGE_WEIGHT + Math.max(Math.log2(context), 0) + Math.max(Math.log2(download), 0)
}

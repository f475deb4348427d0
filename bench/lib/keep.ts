import type { Report } from './result.js'

/** Stores what is measured so far, so that a run that is broken off leaves it behind. Does nothing without the runner. */
export async function keepSoFar(what: string, report: Report): Promise<void> {
  await (globalThis as { keepReport?: (report: object) => Promise<void> }).keepReport?.({ what, ...report })
}

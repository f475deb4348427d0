// A question over 120 pages that are far too long for the model: read part by part, and answered from what was found, with citations.
import type { Alcove } from 'alcove'

const calm = (day: number) => `Day ${day}. Calm sea, light wind from the west, all well on board. `.repeat(30)

/** The log of a ship, a page for each day. */
const pages = Array.from({ length: 120 }, (_, page) =>
  page === 73 ? `${calm(73)}\n\nIngrid Larsen mended the broken mast off Runde.\n\n${calm(73)}` : calm(page),
)

/** Parts are read side by side by a remote model, and one after the other by one on this device. */
export async function* readWholeLog(alcove: Alcove, question = 'Who mended the mast, and where?') {
  const corpus = await alcove.corpus('example-log', { vectors: 'none' })
  await corpus.add({ title: 'Log of the Marigold', text: pages.join('\n\n') })
  const reader = alcove.documentQa({ corpus, mode: 'parallel' })
  yield* reader.stream(question)
}

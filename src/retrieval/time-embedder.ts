import type { DeviceTiming } from '../engines/choice/measured-device.js'
import type { EmbeddingModel } from '../protocol/model.js'
import { type Clock, systemClock } from '../runtime/clock.js'

/** Loads a model and embeds the texts twice: the first run makes shaders and buffers, the second is timed. */
export async function timeEmbedder(
  model: EmbeddingModel,
  texts: readonly string[],
  {
    signal,
    clock = systemClock,
  }: { readonly signal?: AbortSignal | undefined; readonly clock?: Clock | undefined } = {},
): Promise<DeviceTiming> {
  await model.load({ signal })
  const vectors = await model.embed(texts, { purpose: 'document', signal })
  const began = clock.now()
  await model.embed(texts, { purpose: 'document', signal })
  return { ms: clock.now() - began, vectors }
}

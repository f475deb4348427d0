import type { ChatModel } from '../protocol/model.js'
import { abortable } from '../runtime/abort.js'
import type { Job } from './loop.js'

/** Makes the model ready; its time counts as loading. */
export async function loadModel({ control, meter, clock }: Job, model: ChatModel): Promise<void> {
  const startedAt = clock.now()
  const { signal } = control
  await abortable(model.load({ signal, onProgress: control.emit }), signal)
  meter.addTime('loadMs', clock.now() - startedAt)
}

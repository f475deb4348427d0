import type { ModelRequest } from '../protocol/model.js'
import type { StatusPart } from '../protocol/stream-part.js'
import { createPartQueue } from '../runtime/part-queue.js'
import type { TurnQueue } from '../runtime/turn-queue.js'

/** Waits in an engine's queue and says the place. Returns how to end the turn. */
export async function* waitForTurn(
  queue: TurnQueue,
  modelId: string,
  { priority, runId }: Pick<ModelRequest, 'priority' | 'runId'>,
  signal: AbortSignal,
): AsyncGenerator<StatusPart, () => void> {
  const places = createPartQueue<StatusPart>()
  const onPosition = (position: number) => {
    const message = `Waiting for the model: number ${position} in the queue`
    places.push({ type: 'status', status: 'queued', message, modelId, position })
  }
  const turn = queue.enter({ signal, onPosition, priority, owner: runId })
  turn.then(places.end, places.fail)
  let isTaken = false
  try {
    yield* places
    const endTurn = await turn
    isTaken = true
    return endTurn
  } finally {
    // Left by its reader just when its turn came: the next one is let in.
    if (!isTaken) turn.then((endTurn) => endTurn()).catch(() => {})
  }
}

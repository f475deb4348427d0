import { AlcoveError, isAlcoveError } from '../../protocol/error.js'
import type { LoadOptions } from '../../protocol/model.js'
import { onAbort } from '../../runtime/abort.js'
import type { Transport } from './transport.js'

/**
 * Looks whether a server is there, with `GET /models`. Any answer will do but one that refuses the key: many servers have no such list.
 * @throws AlcoveError `network`, `timeout`, `http-status` with status 401 or 403, `aborted`
 */
export async function checkReachable(
  transport: Transport,
  modelId: string,
  { signal, onProgress }: LoadOptions = {},
  maxAttempts?: number,
): Promise<void> {
  // A server that answered is known to be there.
  if (transport.hasAnswered) return
  const controller = new AbortController()
  const forget = onAbort(signal, (aborted) => controller.abort(aborted.reason))
  try {
    const opening = transport.open({ method: 'GET', path: 'models', modelId, signal: controller.signal, maxAttempts })
    for (;;) {
      const { done, value } = await opening.next()
      if (done) break
      onProgress?.(value)
    }
  } catch (error) {
    if (!isHarmless(error)) throw error
  } finally {
    forget()
    // The list itself is not read.
    controller.abort(new AlcoveError('aborted', 'the list of models is not needed'))
  }
}

function isHarmless(error: unknown): boolean {
  if (!isAlcoveError(error) || signalled(error)) return false
  const { status } = error.details
  return typeof status === 'number' && status !== 401 && status !== 403 && status < 500 && status !== 0
}

const signalled = (error: AlcoveError) => error.code === 'aborted'

import { type Endpoint, expose } from 'comlink'
import { installErrorTransfer } from './error-wire.js'
import { holdLife, type LifeMessage } from './liveness.js'

/**
 * Offers `api` to whoever opened this worker (see `createWorkerHost`), says that it is ready, and lets the other side see
 * when this worker dies. Call it once, when the script runs. Errors that `api` throws keep their code, hint and details.
 *
 * @param scope where messages come and go; the worker's own global by default
 */
export function serveWorker<Api extends object>(api: Api, scope: Endpoint = ownScope()): void {
  installErrorTransfer()
  expose(api, scope)
  const send = (message: LifeMessage) => scope.postMessage(message)
  scope.addEventListener('message', (event) => {
    const { data } = event as MessageEvent<LifeMessage | undefined>
    if (data?.alcove === 'ping') send({ alcove: 'pong' })
  })
  void holdLife().then((lock) => send({ alcove: 'ready', lock }))
}

/** The global of a worker; the types in use are a page's. */
function ownScope(): Endpoint {
  return globalThis as unknown as Endpoint
}

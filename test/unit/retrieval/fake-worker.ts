import type { Endpoint } from 'comlink'
import { parseDocument } from '../../../src/retrieval/parse/parse.js'
import { createRetrievalApi, type RetrievalApi, type RetrievalParts } from '../../../src/retrieval/serve-corpus.js'
import { serveWorker } from '../../../src/rpc/serve-worker.js'
import { createWorkerHost, type WorkerHost } from '../../../src/rpc/worker-host.js'
import { createMemoryStore, type Store } from '../../../src/store/store.js'

/** The retrieval worker in this thread: everything crosses a channel, as to a real one. */
class FakeWorker extends EventTarget {
  readonly #own: MessagePort
  readonly #inside: MessagePort

  constructor(parts: RetrievalParts) {
    super()
    const { port1, port2 } = new MessageChannel()
    this.#own = port1
    this.#inside = port2
    port1.onmessage = ({ data, ports }) => this.dispatchEvent(new MessageEvent('message', { data, ports: [...ports] }))
    port2.start()
    serveWorker(createRetrievalApi(parts), port2 as unknown as Endpoint)
  }

  postMessage(message: unknown, transfers: Transferable[] = []): void {
    this.#own.postMessage(message, transfers)
  }

  terminate(): void {
    this.#own.close()
    this.#inside.close()
  }
}

/** A host whose workers all see the same stores, as workers of one origin do. */
export function createFakeRetrieval(
  stores = new Map<string, Store>(),
  parts: Partial<RetrievalParts> = {},
): WorkerHost<RetrievalApi> {
  return createWorkerHost<RetrievalApi>({
    name: 'retrieval',
    open: () =>
      new FakeWorker({
        async openStore(databaseName) {
          const store = stores.get(databaseName) ?? createMemoryStore()
          stores.set(databaseName, store)
          return store
        },
        parse: parseDocument,
        engines: {},
        ...parts,
      }) as unknown as Worker,
  })
}

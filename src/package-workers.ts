import type { openWorker, startWorker } from './rpc/open-worker.js'

// The addresses stand here literally, twice each: bundlers of our users find `new Worker(new URL(…, import.meta.url))` by its text.
// So this file is built by itself, with its names as they are, and imports nothing. It sits beside `index.js` in the package.

/** The two ways of `rpc/open-worker`. */
export interface WorkerStarters {
  readonly openWorker: typeof openWorker
  readonly startWorker: typeof startWorker
}

/** Starts the worker of the chat models: from the given folder, else beside this script. */
export function openLlmWorker(baseUrl: string | undefined, start: WorkerStarters): Worker {
  if (baseUrl !== undefined) return start.openWorker(new URL('llm.worker.js', baseUrl), 'alcove-llm')
  return start.startWorker(
    () => new Worker(new URL('./workers/llm.worker.js', import.meta.url), { type: 'module', name: 'alcove-llm' }),
    (Worker) => new Worker(new URL('./workers/llm.worker.js', import.meta.url), { type: 'module', name: 'alcove-llm' }),
  )
}

/** Starts the worker of documents, embeddings and search: from the given folder, else beside this script. */
export function openRetrievalWorker(baseUrl: string | undefined, start: WorkerStarters): Worker {
  if (baseUrl !== undefined) return start.openWorker(new URL('retrieval.worker.js', baseUrl), 'alcove-retrieval')
  return start.startWorker(
    () =>
      new Worker(new URL('./workers/retrieval.worker.js', import.meta.url), {
        type: 'module',
        name: 'alcove-retrieval',
      }),
    (Worker) =>
      new Worker(new URL('./workers/retrieval.worker.js', import.meta.url), {
        type: 'module',
        name: 'alcove-retrieval',
      }),
  )
}

import { openWorker, startWorker } from './rpc/open-worker.js'

// The addresses stand here literally, twice each: bundlers of our users find `new Worker(new URL(…, import.meta.url))` by its text.
// They sit beside `index.js` in the package, so these functions work only when they are bundled.

/** Starts the worker of the chat models: from the given folder, else beside this script. */
export function openLlmWorker(baseUrl: string | undefined): Worker {
  if (baseUrl !== undefined) return openWorker(new URL('llm.worker.js', baseUrl), 'alcove-llm')
  return startWorker(
    () => new Worker(new URL('./workers/llm.worker.js', import.meta.url), { type: 'module', name: 'alcove-llm' }),
    (Worker) => new Worker(new URL('./workers/llm.worker.js', import.meta.url), { type: 'module', name: 'alcove-llm' }),
  )
}

/** Starts the worker of documents, embeddings and search: from the given folder, else beside this script. */
export function openRetrievalWorker(baseUrl: string | undefined): Worker {
  if (baseUrl !== undefined) return openWorker(new URL('retrieval.worker.js', baseUrl), 'alcove-retrieval')
  return startWorker(
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

// A worker that parses in workers of its own, as the retrieval worker does. Takes one input, answers with what came of it.
import { createParsePool } from '../../../src/retrieval/parse-pool.js'
import { openWorker } from '../../../src/rpc/open-worker.js'
import parseWorkerUrl from '../../../workers/parse.worker.ts?worker&url'

const pool = createParsePool({ open: () => openWorker(parseWorkerUrl, 'parse'), size: 1 })

addEventListener('message', async ({ data }: MessageEvent) => {
  const result = await pool.parse(data).then(
    ({ text, pages }) => ({ start: text.slice(0, 40), pages: pages.length }),
    ({ code, message }) => ({ code, message }),
  )
  postMessage(result)
})

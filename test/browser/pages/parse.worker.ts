// A parse worker that misbehaves when a document asks for it, and says what has become of its globals.

import { parseDocument } from '../../../src/retrieval/parse/parse.js'
import { createParseApi } from '../../../src/retrieval/parse-api.js'
import { serveWorker } from '../../../src/rpc/serve-worker.js'

serveWorker(
  createParseApi(async (input, options) => {
    if (input.data === 'crash') {
      globalThis.close()
      return new Promise(() => {})
    }
    if (input.data === 'hang') for (;;);
    if (input.data === 'wait') return new Promise(() => {})
    const document = await parseDocument(input, options)
    return { ...document, language: `window ${'window' in globalThis}, DOMParser ${'DOMParser' in globalThis}` }
  }),
)

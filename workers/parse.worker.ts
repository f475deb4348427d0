// Parses documents, one at a time. The parsers of each kind are chunks of their own that are fetched with their first use.
import { createParseApi } from '../src/retrieval/parse-api.js'
import { serveWorker } from '../src/rpc/serve-worker.js'

serveWorker(createParseApi())

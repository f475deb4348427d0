import type { Dialect } from './dialect.js'
import { describeCalls } from './history.js'
import { createParserFactory } from './incremental-parser.js'

/** No tools: calls of earlier turns become readable text, and only reasoning is looked for in the answer. */
export const plainDialect: Dialect = {
  name: 'none',
  version: 1,
  format: ({ messages }) => describeCalls(messages),
  createParser: createParserFactory([]),
}

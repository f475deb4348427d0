import { jsonLine } from './common-tags.js'
import type { Dialect } from './dialect.js'
import { safeText } from './history.js'
import { createParserFactory } from './incremental-parser.js'
import { NamedCallScanner } from './named-call-scanner.js'
import { callJson, createFormat, escapeTags, toolJson } from './prompt.js'
import { readNamedCalls } from './read-calls.js'
import type { Tag } from './tags.js'

const OPEN = '[TOOL_CALLS]'
const ARGUMENTS = '[ARGS]'
const RESULT = '[TOOL_RESULTS]'
const RESULT_END = '[/TOOL_RESULTS]'
const TAGS = [OPEN, ARGUMENTS, RESULT, RESULT_END, '</s>']

const PARTS: readonly Tag[] = [
  {
    kind: 'call',
    text: OPEN,
    close: ['[/TOOL_CALLS]', '</s>'],
    createScanner: () => new NamedCallScanner(),
    read: readNamedCalls,
  },
  { kind: 'separator', text: ARGUMENTS },
  { kind: 'skip', text: RESULT, close: [RESULT_END] },
  ...jsonLine,
]

/**
 * The format of Mistral's models from v3 of their tokenizer on: tools as a list inside `[AVAILABLE_TOOLS]`, calls as a list of objects after
 * `[TOOL_CALLS]`, results inside `[TOOL_RESULTS]`. `[TOOL_CALLS]name[ARGS]{…}` of v11 on is read too. Source: mistral-common's tokenizers and vLLM's
 * parser. The template wants ids of nine characters, which models do not repeat rightly, so calls have none here and results come in order.
 */
export const mistralDialect: Dialect = {
  name: 'mistral',
  version: 1,
  format: createFormat({
    describeTools: (tools) => `[AVAILABLE_TOOLS] [${tools.map(toolJson).join(', ')}][/AVAILABLE_TOOLS]

To call tools, respond with ${OPEN} [{"name": "tool name", "arguments": {"argument": "value"}}] and nothing after it.`,
    writeCalls: (calls) => `${OPEN} [${calls.map((call) => escapeTags(callJson(call), TAGS)).join(', ')}]`,
    writeResults: (results) =>
      results
        .map(
          ({ name, output }) => `${RESULT} ${safeText(JSON.stringify({ name, content: output }), TAGS)}${RESULT_END}`,
        )
        .join('\n'),
  }),
  createParser: createParserFactory(PARTS),
}

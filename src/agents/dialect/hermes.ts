import type { ReadCall } from './call-scanner.js'
import type { Dialect } from './dialect.js'
import { createParserFactory } from './incremental-parser.js'
import { JsonCallScanner } from './json-call-scanner.js'
import { callJson, createFormat, safeOutput, toolJson } from './prompt.js'
import { readJsonCalls } from './read-calls.js'
import type { Tag } from './tags.js'

const PARTS: readonly Tag[] = [
  {
    kind: 'call',
    text: '<tool_call>',
    close: ['</tool_call>'],
    createScanner: () => new JsonCallScanner(),
    read: readJsonCalls,
  },
  { kind: 'skip', text: '<tool_response>', close: ['</tool_response>'] },
]

/**
 * The format of Hermes and Qwen models (Qwen-Agent calls it `nous`): tools as JSON lines inside `<tools>`, calls as JSON inside `<tool_call>`,
 * results inside `<tool_response>` in a user turn. Source: chat templates of Hermes 2 Pro and Qwen 2.5.
 */
export const hermesDialect: Dialect = {
  name: 'hermes',
  version: 2,
  format: createFormat({
    describeTools: (tools) => `# Tools

You may call one or more functions to assist with the user query.

You are provided with function signatures within <tools></tools> XML tags:
<tools>
${tools.map(toolJson).join('\n')}
</tools>

For each function call, return a json object with function name and arguments within <tool_call></tool_call> XML tags:
<tool_call>
{"name": <function-name>, "arguments": <args-json-object>}
</tool_call>`,
    writeCalls: (calls) => calls.map(formatHermesCall).join('\n'),
    writeResults: (results) =>
      results
        .map((result) => `<tool_response>\n${safeOutput(result, ['<tool_', '</tool_'])}\n</tool_response>`)
        .join('\n'),
  }),
  createParser: createParserFactory(PARTS),
}

/** A call as the model would have written it. `<` of a closing tag is escaped, so that no string can end the call. */
export function formatHermesCall(call: ReadCall): string {
  return `<tool_call>\n${callJson(call).replaceAll('</', '<\\/')}\n</tool_call>`
}

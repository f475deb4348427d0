import { jsonAfter, jsonAnywhere } from './common-tags.js'
import type { Dialect } from './dialect.js'
import { createParserFactory } from './incremental-parser.js'
import { NamedCallScanner } from './named-call-scanner.js'
import { callJson, createFormat, escapeTags, safeOutput, toolJson } from './prompt.js'
import { readNamedCalls } from './read-calls.js'
import type { Tag } from './tags.js'

const TAG = '<|python_tag|>'
const ENDS = ['<|eom_id|>', '<|eot_id|>']
const TAGS = [TAG, ...ENDS, '<function=', '</function>']

const PARTS: readonly Tag[] = [
  jsonAfter(TAG, ...ENDS),
  {
    kind: 'call',
    text: '<function=',
    close: ['</function>', ...ENDS],
    createScanner: () => new NamedCallScanner(),
    read: readNamedCalls,
  },
  ...jsonAnywhere,
]

/**
 * The format of Llama 3.1 to 3.3: a call is an object with `name` and `parameters`, alone or after `<|python_tag|>`; several are parted by
 * semicolons. `<function=name>{…}</function>` is read too. Source: Meta's model cards and prompt formats for Llama 3.1 and 3.2; vLLM's
 * `llama3_json` parser for what the models write.
 */
export const llama3Dialect: Dialect = {
  name: 'llama3',
  version: 1,
  format: createFormat({
    describeTools: (tools) => `You have access to the following functions:

${tools.map(toolJson).join('\n\n')}

To call a function, respond with JSON in the format {"name": function name, "parameters": dictionary of argument name and its value} \
and nothing else. Do not use variables. When no function is needed, answer in plain text.`,
    writeCalls: (calls) => calls.map((call) => escapeTags(callJson(call, 'parameters'), TAGS)).join('; '),
    writeResults: (results) =>
      results.map((result) => `Result of ${result.name}: ${safeOutput(result, TAGS)}`).join('\n'),
  }),
  createParser: createParserFactory(PARTS),
}

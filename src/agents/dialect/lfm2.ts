import { jsonLine, pythonAfter, pythonLine } from './common-tags.js'
import type { Dialect } from './dialect.js'
import { createParserFactory } from './incremental-parser.js'
import { createFormat, escapeTags, plainToolJson, safeOutput } from './prompt.js'
import { writePythonCall } from './python-calls.js'
import type { Tag } from './tags.js'

const OPEN = '<|tool_call_start|>'
const CLOSE = '<|tool_call_end|>'
const RESULT = '<|tool_response_start|>'
const RESULT_END = '<|tool_response_end|>'
const TAGS = [OPEN, CLOSE, RESULT, RESULT_END, '<|im_end|>']

const PARTS: readonly Tag[] = [
  pythonAfter(OPEN, CLOSE, '<|im_end|>'),
  { kind: 'skip', text: RESULT, close: [RESULT_END] },
  pythonLine,
  ...jsonLine.filter(({ text }) => text === '{'),
]

/**
 * The format of LFM2: tools as a list inside `<|tool_list_start|>`, calls as a list in Python inside `<|tool_call_start|>`, results inside
 * `<|tool_response_start|>`. Calls in JSON, which the model writes when asked to, are read too. Source: docs.liquid.ai, "Tool use".
 */
export const lfm2Dialect: Dialect = {
  name: 'lfm2',
  version: 1,
  format: createFormat({
    describeTools: (tools) =>
      `List of tools: <|tool_list_start|>[${tools.map(plainToolJson).join(', ')}]<|tool_list_end|>`,
    writeCalls: (calls) =>
      `${OPEN}[${calls.map((call) => escapeTags(writePythonCall(call), TAGS)).join(', ')}]${CLOSE}`,
    writeResults: (results) => results.map((result) => `${RESULT}${safeOutput(result, TAGS)}${RESULT_END}`).join('\n'),
  }),
  createParser: createParserFactory(PARTS),
}

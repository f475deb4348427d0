import { fencedJson, jsonAfter, jsonLine } from './common-tags.js'
import type { Dialect } from './dialect.js'
import { createParserFactory } from './incremental-parser.js'
import { callJson, createFormat, escapeTags, plainToolJson, safeOutput } from './prompt.js'
import type { Tag } from './tags.js'

const OPEN = '<|tool_call|>'
const CLOSE = '<|/tool_call|>'
const RESULT = '<|tool_response|>'
const RESULT_END = '<|/tool_response|>'
const TAGS = [OPEN, CLOSE, '</|tool_call|>', RESULT, RESULT_END, '<|end|>']

const PARTS: readonly Tag[] = [
  jsonAfter(OPEN, CLOSE, '</|tool_call|>', '<|end|>'),
  jsonAfter('functools'),
  { kind: 'skip', text: RESULT, close: [RESULT_END, '</|tool_response|>', '<|end|>'] },
  ...jsonLine,
  ...fencedJson,
]

/**
 * The format of Phi-4 mini: tools as a list inside `<|tool|>`, calls as a list of objects inside `<|tool_call|>`. Source: the model's card, chat
 * template and special tokens; `functools[…]` is what the model writes by another prompt (vLLM's template).
 */
export const phiDialect: Dialect = {
  name: 'phi',
  version: 1,
  format: createFormat({
    describeTools: (tools) => `You have some tools. Call them when they help to answer, in this form:
${OPEN}[{"name": "tool name", "arguments": {"argument": "value"}}]${CLOSE}
<|tool|>[${tools.map(plainToolJson).join(', ')}]<|/tool|>`,
    writeCalls: (calls) => `${OPEN}[${calls.map((call) => escapeTags(callJson(call), TAGS)).join(', ')}]${CLOSE}`,
    writeResults: (results) => results.map((result) => `${RESULT}${safeOutput(result, TAGS)}${RESULT_END}`).join('\n'),
  }),
  createParser: createParserFactory(PARTS),
}

import { fencedJson, jsonLine, pythonAfter, pythonLine } from './common-tags.js'
import type { Dialect } from './dialect.js'
import { createParserFactory } from './incremental-parser.js'
import { createFormat, escapeTags, plainToolJson, safeOutput } from './prompt.js'
import { writePythonCall } from './python-calls.js'
import { FENCE, type Tag } from './tags.js'

const OPEN = `${FENCE}tool_code`
const RESULT = `${FENCE}tool_output`

const PARTS: readonly Tag[] = [
  { ...pythonAfter(OPEN, FENCE), atLineStart: true },
  { ...pythonAfter('<tool_code>', '</tool_code>') },
  { kind: 'skip', text: RESULT, close: [FENCE], atLineStart: true },
  pythonLine,
  ...jsonLine.filter(({ text }) => text === '{'),
  ...fencedJson,
  { kind: 'stray', text: '<end_of_turn>' },
]

/**
 * The format for Gemma 2 and 3, which have no tokens for tools: calls as Python in a block of `tool_code`, results in one of `tool_output`. The two
 * other forms that Google documents, a list `[f(a="x")]` and an object with `name` and `parameters`, are read too.
 * Source: ai.google.dev, "Function calling with Gemma"; Google's Gemma 3 notebooks for `tool_code`. FunctionGemma and Gemma 4 have formats of
 * their own, with tokens, which this is not.
 */
export const gemmaDialect: Dialect = {
  name: 'gemma',
  version: 1,
  format: createFormat({
    describeTools: (tools) => `You have access to functions:

${tools.map(plainToolJson).join('\n')}

To call functions, write them in Python, with the names of the arguments, in a block of ${OPEN}, one call a line, and stop after the block:
${OPEN}
function_name(argument="value")
${FENCE}
You will be given what they return in a block of ${RESULT}. When no function is needed, answer in plain text.`,
    writeCalls: (calls) =>
      `${OPEN}\n${calls.map((call) => escapeTags(writePythonCall(call), [FENCE, '<tool_code>', '</tool_code>'])).join('\n')}\n${FENCE}`,
    writeResults: (results) =>
      results.map((result) => `${RESULT}\n${safeOutput(result, [FENCE])}\n${FENCE}`).join('\n'),
  }),
  createParser: createParserFactory(PARTS),
}

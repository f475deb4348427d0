import type { ToolDescription } from '../../protocol/model.js'
import { fencedJson, jsonLine } from './common-tags.js'
import type { Dialect } from './dialect.js'
import { createParserFactory } from './incremental-parser.js'
import { callJson, createFormat, escapeTags, plainToolJson, safeOutput } from './prompt.js'
import { FENCE, type Tag } from './tags.js'

const PARTS: readonly Tag[] = [...fencedJson, ...jsonLine]

/**
 * One object in a block of code, for models that know no format of their own: `{"name": …, "arguments": …}`. Several blocks, a list and an object
 * without its fence are read too. Other JSON is text.
 */
export const jsonDialect: Dialect = {
  name: 'json',
  version: 1,
  format: createFormat({
    describeTools: (tools, language) => (language === 'zh' ? describeInChinese(tools) : describeInEnglish(tools)),
    writeCalls: (calls) =>
      calls.map((call) => `${FENCE}json\n${escapeTags(callJson(call), [FENCE])}\n${FENCE}`).join('\n'),
    writeResults: (results) =>
      results
        .map((result) => `Result of ${result.name}:\n${FENCE}\n${safeOutput(result, [FENCE])}\n${FENCE}`)
        .join('\n'),
  }),
  createParser: createParserFactory(PARTS),
}

function describeInEnglish(tools: readonly ToolDescription[]): string {
  return `# Tools

You have these tools:
${tools.map(plainToolJson).join('\n')}

To call one, write nothing but a block of JSON with its name and arguments, such as:
${FENCE}json
{"name": "tool name", "arguments": {"argument": "value"}}
${FENCE}
You will be given the result. When you need no tool, answer in plain text.`
}

function describeInChinese(tools: readonly ToolDescription[]): string {
  return `# 工具

你拥有如下工具：
${tools.map(plainToolJson).join('\n')}

需要调用工具时，只写一个包含名称和参数的JSON代码块，例如：
${FENCE}json
{"name": "工具名称", "arguments": {"参数": "值"}}
${FENCE}
工具结果将会提供给你。不需要工具时，直接用文字回答。`
}

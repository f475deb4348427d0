import type { ToolDescription } from '../../protocol/model.js'
import type { Dialect } from './dialect.js'
import { createParserFactory } from './incremental-parser.js'
import { NamedCallScanner } from './named-call-scanner.js'
import { createFormat, escapeTags, inputJson, namesOf, safeOutput } from './prompt.js'
import { readNamedCalls } from './read-calls.js'
import type { Tag } from './tags.js'

const NAME = '✿FUNCTION✿'
const ARGUMENTS = '✿ARGS✿'
const RESULT = '✿RESULT✿'
const ANSWER = '✿RETURN✿'
const TAGS = [NAME, ARGUMENTS, RESULT, ANSWER]

/** A tag with either colon, or with none. */
function withColons<Some extends Tag>(tag: Some): Some[] {
  return [`${tag.text}:`, `${tag.text}：`, tag.text].map((text) => ({ ...tag, text }))
}

const PARTS: readonly Tag[] = [
  ...withColons({
    kind: 'call' as const,
    text: NAME,
    createScanner: () => new NamedCallScanner(),
    read: readNamedCalls,
  }),
  ...withColons({ kind: 'separator' as const, text: ARGUMENTS }),
  // Results are not the model's to write, and what it makes of its own is worth nothing.
  { kind: 'skip', text: RESULT, close: [`${ANSWER}:`, `${ANSWER}：`, ANSWER, NAME], endsTurn: true },
  ...withColons({ kind: 'stray' as const, text: ANSWER, trims: true }),
]

/**
 * The format of Qwen 1.5 and 2: a name after `✿FUNCTION✿`, arguments after `✿ARGS✿`, results after `✿RESULT✿`, the answer after `✿RETURN✿`.
 * Source: Qwen-Agent, `qwen_fncall_prompt.py`. There the results stand in the assistant's turn, which goes on; engines in a browser cannot go
 * on with a turn, so here they are in a user turn.
 */
export const qwenDialect: Dialect = {
  name: 'qwen',
  version: 1,
  stop: [RESULT],
  format: createFormat({
    describeTools: (tools, language) => (language === 'zh' ? describeInChinese(tools) : describeInEnglish(tools)),
    writeCalls: (calls) =>
      calls
        .map(({ name, input }) => `${NAME}: ${name}\n${ARGUMENTS}: ${escapeTags(inputJson(input), TAGS)}`)
        .join('\n'),
    writeResults: (results) =>
      `${results.map((result) => `${RESULT}: ${safeOutput(result, TAGS)}`).join('\n')}\n${ANSWER}: `,
  }),
  createParser: createParserFactory(PARTS),
}

function listTools(tools: readonly ToolDescription[], parameters: string): string {
  return tools
    .map(
      ({ name, description, inputSchema }) =>
        `### ${name}\n\n${name}: ${description} ${parameters}${JSON.stringify(inputSchema)}`,
    )
    .join('\n\n')
}

function describeInEnglish(tools: readonly ToolDescription[]): string {
  return `# Tools

## You have these tools:

${listTools(tools, 'Parameters: ')}

## To call tools, write these lines in your reply, as often as you need; nothing follows the last call:

${NAME}: the name of the tool, one of [${namesOf(tools)}]
${ARGUMENTS}: its input, a JSON object
${RESULT}: the tool's result, which you will be given
${ANSWER}: your reply, from the results`
}

function describeInChinese(tools: readonly ToolDescription[]): string {
  return `# 工具

## 你拥有如下工具：

${listTools(tools, '输入参数：')}

## 需要调用工具时，在回复中写出以下各行，可写一次或多次，最后一次调用之后不再写任何内容：

${NAME}: 工具名称，必须是[${namesOf(tools)}]之一
${ARGUMENTS}: 工具输入，一个JSON对象
${RESULT}: 工具结果，将会提供给你
${ANSWER}: 根据工具结果进行回复`
}

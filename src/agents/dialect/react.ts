import type { ToolDescription } from '../../protocol/model.js'
import type { Dialect } from './dialect.js'
import { createParserFactory } from './incremental-parser.js'
import { NamedCallScanner } from './named-call-scanner.js'
import { createFormat, inputJson, namesOf, plainToolJson, safeOutput } from './prompt.js'
import { readNamedCalls } from './read-calls.js'
import type { Tag } from './tags.js'

const THOUGHT = 'Thought:'
const ACTION = 'Action:'
const INPUT = 'Action Input:'
const RESULT = 'Observation:'
const ANSWER = 'Final Answer:'

/** Lines of a result that would look like the model's. */
const LINES = [THOUGHT, ACTION, INPUT, RESULT, ANSWER].map((tag) => `\n${tag}`)

const line = { atLineStart: true } as const

const PARTS: readonly Tag[] = [
  {
    kind: 'call',
    text: ACTION,
    close: [THOUGHT, RESULT, ANSWER],
    createScanner: () => new NamedCallScanner(),
    read: readNamedCalls,
    ...line,
  },
  { kind: 'separator', text: INPUT, ...line },
  { kind: 'think', text: THOUGHT, close: [THOUGHT, ACTION, RESULT, ANSWER], trims: true, mayAnswer: true, ...line },
  // Results are not the model's to write, and what it makes of its own is worth nothing.
  { kind: 'skip', text: RESULT, close: [THOUGHT, ACTION, ANSWER], endsTurn: true, ...line },
  { kind: 'stray', text: ANSWER, trims: true, ...line },
]

/**
 * Thought, Action, Action Input, Observation, Final Answer: for models that know no format of their own. Thoughts become reasoning.
 * Source: ReAct (Yao et al., 2022, arXiv:2210.03629), in the wording that LangChain and Qwen-Agent (`react_chat.py`) made usual.
 */
export const reactDialect: Dialect = {
  name: 'react',
  version: 1,
  stop: [`\n${RESULT}`],
  format: createFormat({
    describeTools: (tools, language) => (language === 'zh' ? describeInChinese(tools) : describeInEnglish(tools)),
    // Strings of JSON have no line breaks, so no tag can begin a line in them.
    writeCalls: (calls) => calls.map(({ name, input }) => `${ACTION} ${name}\n${INPUT} ${inputJson(input)}`).join('\n'),
    writeResults: (results) => results.map((result) => `${RESULT} ${safeOutput(result, LINES)}`).join('\n'),
    answerTag: ANSWER,
  }),
  createParser: createParserFactory(PARTS),
}

function describeInEnglish(tools: readonly ToolDescription[]): string {
  return `Answer as best you can. You have these tools:

${tools.map(plainToolJson).join('\n')}

Use this format, each line beginning as shown:

${THOUGHT} what to do next, in a few words
${ACTION} the tool to use, one of [${namesOf(tools)}]
${INPUT} the tool's input, a JSON object on one line
${RESULT} the tool's result, which you will be given
... (these lines may come again, or not at all)
${THOUGHT} I know the answer
${ANSWER} the answer to the user`
}

function describeInChinese(tools: readonly ToolDescription[]): string {
  return `请尽力回答用户的问题。你拥有如下工具：

${tools.map(plainToolJson).join('\n')}

请使用以下格式，每行的开头保持原样：

${THOUGHT} 简要说明接下来做什么
${ACTION} 要使用的工具，必须是[${namesOf(tools)}]之一
${INPUT} 工具输入，写在一行里的一个JSON对象
${RESULT} 工具结果，将会提供给你
...（以上各行可以重复，也可以没有）
${THOUGHT} 我知道答案了
${ANSWER} 给用户的最终回答`
}

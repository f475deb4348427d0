import type { Message, ToolResultPart } from '../protocol/message.js'
import { isChinese } from '../text/terms.js'
import { mediaText, replaceMedia } from '../tools/output.js'
import { describeCalls, outputText, partsOf, safeText } from './dialect/history.js'
import { lastUserText } from './read-input.js'

/** Longest result in an answer that the model did not give, in characters. */
const MAX_SHOWN = 1000

const WORDS = {
  en: {
    task: 'Answer from the text:',
    gave: 'gave',
    failed: 'failed:',
    none: 'The model gave no answer. Its tools said:',
  },
  zh: { task: '根据下文回答：', gave: '给出', failed: '失败：', none: '模型没有给出回答。工具的结果如下：' },
}

/**
 * The conversation up to its last question, with what the tools gave since as text before it: the form in which also a small model answers
 * (on ten results SmolLM2-135M used nine so, and of a `<tool_response>` it writes another one).
 */
export function askWithResults(messages: readonly Message[]): Message[] {
  const at = messages.findLastIndex(({ role }, index) => role === 'user' && messages[index - 1]?.role !== 'tool')
  const question = messages[at]
  if (question === undefined) return describeCalls(messages)
  const words = wordsFor(messages)
  const text = `${words.task} ${resultLines(messages.slice(at), words).map(safeLine).join('\n')}`
  const { content } = question
  const asked: Message =
    typeof content === 'string'
      ? { ...question, content: `${text}\n\n${content}` }
      : { ...question, content: [{ type: 'text', text: `${text}\n` }, ...content] }
  return [...describeCalls(messages.slice(0, at)), asked]
}

/** What a reader is told when the model says nothing to the results: that, and the results. */
export function resultsAsAnswer(question: readonly Message[], added: readonly Message[]): string {
  const words = wordsFor(question)
  const lines = resultLines(added, words).map((line) =>
    line.length > MAX_SHOWN ? `${line.slice(0, MAX_SHOWN)} …` : line,
  )
  return `${words.none}\n${lines.map((line) => `- ${line}`).join('\n')}`
}

const safeLine = (line: string) => safeText(line)
const wordsFor = (messages: readonly Message[]) => WORDS[isChinese(lastUserText(messages)) ? 'zh' : 'en']

/** A line for each result, equal ones once; failures only where there is nothing else. */
function resultLines(messages: readonly Message[], words: (typeof WORDS)['en']): string[] {
  const results = messages.flatMap(partsOf).filter((part): part is ToolResultPart => part.type === 'tool-result')
  const good = results.filter(({ isError }) => !isError)
  const lines = (good.length > 0 ? good : results).map(
    ({ name, output, isError }) =>
      `${name} ${isError ? words.failed : words.gave} ${outputText(replaceMedia(output, mediaText))}`,
  )
  return [...new Set(lines)]
}

import type { Message } from '../protocol/message.js'
import type { ChatModel, ModelRequest } from '../protocol/model.js'
import { abortable, anySignal, throwIfAborted } from '../runtime/abort.js'
import { isChinese } from '../text/terms.js'
import { readAnswer } from './context/summarise.js'
import type { Job } from './loop.js'
import { lastUserText } from './read-input.js'

const MAX_QUERIES = 3
const MAX_QUERY_LENGTH = 200
/** Turns before the question that the model sees. */
const MAX_TURNS = 4
const TURN_CHARACTERS = 400
/** A search does not wait longer for better words. */
const TIME_LIMIT_MS = 15_000

const ASKS = {
  en: `Write up to ${MAX_QUERIES} search queries, one a line, that find passages which answer the last question of this conversation. Replace words such as "it" by what they stand for, and use other words than the question does. Write nothing but the queries.`,
  zh: `请写出最多 ${MAX_QUERIES} 条检索语句，每行一条，用来查找能回答这段对话中最后一个问题的段落。把“它”之类的代词换成所指的内容，并使用与问题不同的词语。除检索语句外不要写任何内容。`,
} as const

/**
 * More queries for the last question, by the run's model. Empty where the model is not one to ask (it is not to be trusted alone, or only
 * quotes), fails, or takes too long: the search then goes by the question itself.
 */
export async function writeQueries(
  job: Job,
  conversation: readonly Message[],
  resolving: Promise<ChatModel>,
): Promise<string[]> {
  const { control, clock } = job
  const limit = new AbortController()
  const cancelTimer = clock.setTimer(TIME_LIMIT_MS, () => limit.abort())
  const signal = anySignal(control.signal, limit.signal) ?? limit.signal
  try {
    const model = await abortable(resolving, signal)
    const { trust, dialect } = model.capabilities
    if (trust === 'draft' || dialect === 'none') return []
    const written = await readAnswer(job, model, writeRequest(conversation), signal)
    return readQueries(written, lastUserText(conversation))
  } catch {
    throwIfAborted(control.signal)
    return []
  } finally {
    cancelTimer()
  }
}

function writeRequest(conversation: readonly Message[]): ModelRequest {
  const turns = conversation.filter(({ role }) => role === 'user' || role === 'assistant').slice(-MAX_TURNS - 1)
  const lines = turns.map((turn) => `${turn.role}: ${textOf(turn).slice(0, TURN_CHARACTERS)}`)
  const ask = ASKS[isChinese(lastUserText(conversation)) ? 'zh' : 'en']
  return {
    messages: [{ role: 'user', content: `${ask}\n\n${lines.join('\n')}` }],
    sampling: { temperature: 0, maxTokens: 96 },
  }
}

function readQueries(written: string, question: string): string[] {
  const lines = written
    .split('\n')
    .map((line) =>
      line
        .replace(/^\s*(?:[-*•]|\d{1,2}[.)])\s*/, '')
        .replaceAll(/^["“]|["”]$/g, '')
        .trim(),
    )
    .filter((line) => /[\p{L}\p{N}]/u.test(line) && line.length <= MAX_QUERY_LENGTH && line !== question)
  return [...new Set(lines)].slice(0, MAX_QUERIES)
}

function textOf({ content }: Message): string {
  if (typeof content === 'string') return content
  return content.map((part) => (part.type === 'text' ? part.text : '')).join(' ')
}

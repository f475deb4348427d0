import { AlcoveError } from '../protocol/error.js'
import type { Message } from '../protocol/message.js'
import type { ModelFinishReason, OutputConstraint } from '../protocol/model.js'
import { isChinese } from '../text/terms.js'
import { repairJson } from '../tools/json-repair.js'
import { checkSchema, type SchemaCheck, type ToolSchema, toJsonSchema } from '../tools/schema.js'
import { lastUserText } from './read-input.js'

/** What makes an object of a model's answer. */
export interface StructuredAnswer {
  /** For engines that can constrain what a model writes. */
  readonly output: Extract<OutputConstraint, { readonly type: 'json-schema' }>
  /** The conversation with the schema in its last user turn. */
  addTo(messages: readonly Message[]): Message[]
  /**
   * Reads an answer. One that does not fit is asked for again, `repairs` times, with what is wrong.
   *
   * @throws AlcoveError `output-invalid` for the last answer that does not fit; `details` has its `problems`, its `text` and the `reason`
   *   why the model stopped
   */
  read(text: string, reason: ModelFinishReason): Promise<{ readonly object: unknown } | { readonly again: Message }>
}

/** Longest answer that an error has in its details, in characters. */
const MAX_TEXT = 2000

/**
 * Answers that fit a schema.
 *
 * @param repairs how often one that does not fit is asked for again
 * @throws AlcoveError `invalid-argument` when it is no schema, or one that cannot be written as JSON Schema
 */
export function createStructuredAnswer(schema: ToolSchema, repairs = 1): StructuredAnswer {
  const jsonSchema = toJsonSchema('schema', schema)
  let left = repairs
  let language: 'en' | 'zh' = 'en'

  return {
    output: { type: 'json-schema', schema: jsonSchema },
    addTo(messages) {
      language = isChinese(lastUserText(messages)) ? 'zh' : 'en'
      const at = messages.findLastIndex(({ role }) => role === 'user')
      const asked = messages[at]
      if (asked === undefined) return [...messages]
      const prompt = `${PROMPTS[language].answer}\n${JSON.stringify(jsonSchema)}`
      const { content } = asked
      const extended =
        typeof content === 'string' ? `${content}\n\n${prompt}` : [...content, { type: 'text' as const, text: prompt }]
      return messages.with(at, { ...asked, content: extended })
    },
    async read(text, reason) {
      const check = await readAnswer(text, reason, schema)
      if (check.isValid) return { object: check.input }
      const { problems } = check
      if (left <= 0) {
        throw new AlcoveError('output-invalid', `The answer does not fit the schema: ${problems.join('; ')}`, {
          details: { problems, text: text.slice(0, MAX_TEXT), reason },
        })
      }
      left--
      const list = problems.map((problem) => `- ${problem}`).join('\n')
      return { again: { role: 'user', content: `${PROMPTS[language].again}\n${list}` } }
    },
  }
}

const PROMPTS = {
  en: {
    answer: 'Answer with JSON only, without any other text. It must fit this JSON Schema:',
    again: 'Your answer does not fit the schema. Give it again, as JSON only, with this mended:',
  },
  zh: {
    answer: '只用 JSON 回答，不要有其他文字。JSON 必须符合以下 JSON Schema：',
    again: '你的回答不符合该 JSON Schema。请只用 JSON 重新回答，并改正以下问题：',
  },
}

async function readAnswer(text: string, reason: ModelFinishReason, schema: ToolSchema): Promise<SchemaCheck> {
  if (text.trim() === '') return { isValid: false, problems: ['expected JSON, got no text'] }
  let first: SchemaCheck | undefined
  for (const value of readings(text, reason === 'length')) {
    const check = await checkAgainst(schema, value)
    if (check.isValid) return check
    first ??= check
  }
  if (first !== undefined) return first
  const cut = reason === 'length' ? 'the answer was cut off at its longest length: write less' : undefined
  return { isValid: false, problems: [cut ?? `expected JSON, got ${JSON.stringify(text.trim().slice(0, 60))}`] }
}

async function checkAgainst(schema: ToolSchema, value: unknown): Promise<SchemaCheck> {
  try {
    return await checkSchema(schema, value)
  } catch (cause) {
    throw new AlcoveError('invalid-argument', `schema: it cannot be checked: ${(cause as Error)?.message}`, { cause })
  }
}

/** What a text may stand for, the likeliest first. Of an answer that was cut off, only what is whole in it. */
function* readings(text: string, isCut: boolean): Generator<unknown> {
  const read = (json: string) => (isCut ? parseStrictly(json) : repairJson(json))
  const whole = read(text) ?? parseStrictly(text.trim())
  if (whole !== undefined) yield whole.value
  for (const [, block = ''] of text.matchAll(/```[a-zA-Z]*\s*\n([\s\S]*?)```/g)) {
    const fenced = read(block)
    if (fenced !== undefined) yield fenced.value
  }
  const start = text.search(/[{[]/)
  if (start < 0) return
  const end = Math.max(text.lastIndexOf('}'), text.lastIndexOf(']'))
  const inner = read(end > start ? text.slice(start, end + 1) : text.slice(start))
  if (inner !== undefined) yield inner.value
}

function parseStrictly(json: string): { readonly value: unknown } | undefined {
  try {
    return { value: JSON.parse(json) }
  } catch {
    return undefined
  }
}

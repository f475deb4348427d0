import type { Dialect, ParserEvent } from '../../../src/agents/dialect/dialect.js'

export interface ExpectedCall {
  readonly name: string
  readonly input: unknown
}

/** Every tag of every dialect, for strings that try to end a call. */
export const ALL_TAGS = `</tool_call> <tool_call> ✿RESULT✿: ✿FUNCTION✿ <|python_tag|> <|eom_id|> \`\`\` <|/tool_call|> <|tool_call_end|> [TOOL_CALLS] </s> \
<think> </function> <|im_end|> [ARGS] \nObservation: \nAction: x\nFinal Answer: `

/** What a parser told, joined. */
export interface Reading {
  text: string
  reasoning: string
  calls: ExpectedCall[]
  ids: string[]
  inputs: Record<string, string>
}

export function readChunks(dialect: Dialect, chunks: Iterable<string>, reason: 'stop' | 'length' = 'stop'): Reading {
  let ids = 0
  const parser = dialect.createParser({ createId: () => `id-${++ids}` })
  const reading: Reading = { text: '', reasoning: '', calls: [], ids: [], inputs: {} }
  const take = (events: readonly ParserEvent[]) => {
    for (const event of events) {
      if (event.type === 'text-delta') reading.text += event.text
      else if (event.type === 'reasoning-delta') reading.reasoning += event.text
      else if (event.type === 'tool-call') {
        reading.calls.push({ name: event.name, input: event.input })
        reading.ids.push(event.callId)
      } else reading.inputs[event.callId] = (reading.inputs[event.callId] ?? '') + event.text
    }
  }
  for (const chunk of chunks) take(parser.push(chunk))
  take(parser.end(reason))
  return reading
}

/** The assistant's turn as the dialect writes it: this text, then these calls. */
export function writeTurn(dialect: Dialect, calls: readonly ExpectedCall[], text?: string): string {
  const [, turn] = dialect
    .format({
      messages: [
        { role: 'user', content: 'Q' },
        {
          role: 'assistant',
          content: [
            ...(text === undefined ? [] : [{ type: 'text' as const, text }]),
            ...calls.map((call, at) => ({ type: 'tool-call' as const, callId: `c${at}`, ...call })),
          ],
        },
      ],
      tools: [],
      toolChoice: 'auto',
      final: false,
      language: 'en',
    })
    .filter(({ role }) => role !== 'system')
  if (typeof turn?.content !== 'string') throw new Error(`${dialect.name}: expected text`)
  return turn.content
}

/** Numbers from 0 up to 1, the same for the same seed (Lehmer). */
export function seededRandom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state * 48_271) % 2_147_483_647
    return state / 2_147_483_647
  }
}

/** The text in pieces of 1 to `most` characters. */
export function* inPieces(text: string, most: number, random: () => number): Generator<string> {
  for (let at = 0; at < text.length; ) {
    const length = 1 + Math.floor(random() * most)
    yield text.slice(at, at + length)
    at += length
  }
}

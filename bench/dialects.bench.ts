import type { Dialect } from '../src/agents/dialect/dialect.js'
import { dialectNames, loadDialect } from '../src/agents/dialect/dialects.js'
import { type BenchContext, type Figure, measureOf, type Report, type Unit } from './lib/result.js'
import { collectGarbage, takeTurns, timeOf } from './lib/rounds.js'
import { summarize } from './lib/statistics.js'

export const what =
  'Parsers of the tool-call dialects: megabytes a second, and whether hostile text takes time in proportion to its length.'

/** Characters in a piece of text: about a token. */
const pieceLength = 4
const unit: Unit = 'MB/s'

interface Input {
  readonly what: string
  readonly text: string
  /** Calls that must be found in it; undefined: any number. */
  readonly calls?: number
}

/** An assistant's turn as the dialect writes it. */
function writeTurn(dialect: Dialect, calls: readonly { name: string; input: unknown }[]): string {
  const content = calls.map((call, at) => ({ type: 'tool-call' as const, callId: `${at}`, ...call }))
  const [turn] = dialect
    .format({
      messages: [{ role: 'assistant', content }],
      tools: [],
      toolChoice: 'auto',
      final: false,
      language: 'en',
    })
    .filter(({ role }) => role === 'assistant')
  return String(turn?.content)
}

function inputsOf(dialect: Dialect, characters: number): Input[] {
  const sentence = 'It is so, and then 5 < 6 for [x] and "y", as said before.\n'
  const text = sentence.repeat(Math.ceil(characters / sentence.length))
  const call = { name: 'write', input: { path: 'a/b.txt', text } }
  const many = Array.from({ length: Math.ceil(characters / 100) }, (_, at) => ({
    name: 'weather.today',
    input: { city: `Town ${at}`, days: 3, tags: ['now', 'later'], exact: true },
  }))
  return [
    { what: 'text without calls', text, calls: 0 },
    { what: 'one call with a long string', text: writeTurn(dialect, [call]), calls: 1 },
    { what: 'many calls', text: writeTurn(dialect, many), calls: many.length },
  ]
}

/** Texts that make a careless parser look again and again at what it has read. */
const hostile: Readonly<Record<string, string>> = {
  'tags that open and never close': '<tool_call>✿FUNCTION✿: <|python_tag|><|tool_call|><|tool_call_start|>[TOOL_CALLS]',
  'strings that never close': '<tool_call>{"name": "f", "arguments": {"a": "</tool_call>',
  'objects that may be calls': '{"name": "f", "id": [{\n',
  'lists that are no calls': '[f(a=[\n',
  'beginnings of tags': '<tool_cal ✿FUNC <|pyth [TOOL_CAL ``',
}

/** Reads the text in pieces and gives the number of calls. */
function read(dialect: Dialect, text: string): number {
  let id = 0
  const parser = dialect.createParser({ createId: () => String(++id) })
  let calls = 0
  const count = (events: ReturnType<typeof parser.push>) => {
    for (const { type } of events) if (type === 'tool-call') calls++
  }
  for (let at = 0; at < text.length; at += pieceLength) count(parser.push(text.slice(at, at + pieceLength)))
  count(parser.end('stop'))
  return calls
}

/** Runs the benchmark in this page. */
export async function run({ quick }: BenchContext): Promise<Report> {
  const characters = quick ? 50_000 : 1_000_000
  const rounds = quick ? 2 : 7
  const names = dialectNames.filter((name) => name !== 'none' && name !== 'nous')
  const figures: Figure[] = []
  for (const name of names) {
    const dialect = await loadDialect(name)
    if (dialect === undefined) throw new Error(`expected a dialect named ${name}`)
    figures.push(...(await measureThroughput(dialect, characters, rounds)))
    figures.push(await measureProportion(dialect, characters / 10, rounds))
  }
  return {
    figures,
    notes: [
      `Texts of ${characters.toLocaleString('en')} characters, given in pieces of ${pieceLength}, as a model would write them.`,
      `Proportion: time a character on hostile text of ${(characters / 10).toLocaleString('en')} characters over that on an eighth of it, the worst of ${Object.keys(hostile).length} texts. 1 is linear, 8 quadratic.`,
    ],
  }
}

async function measureThroughput(dialect: Dialect, characters: number, rounds: number): Promise<Figure[]> {
  const inputs = inputsOf(dialect, characters)
  const contenders = Object.fromEntries(
    inputs.map(({ what: input, text, calls }) => [
      input,
      async () => {
        collectGarbage()
        let found = 0
        const ms = await timeOf(() => {
          found = read(dialect, text)
        })
        if (found !== calls) throw new Error(`${dialect.name}, ${input}: expected ${calls} calls, got ${found}`)
        return text.length / 1_000 / ms
      },
    ]),
  )
  const samples = await takeTurns(contenders, { rounds })
  return Object.entries(samples).map(([input, values]) => ({
    what: `${dialect.name}: ${input}`,
    unit,
    ...measureOf(summarize(values)),
  }))
}

async function measureProportion(dialect: Dialect, characters: number, rounds: number): Promise<Figure> {
  const ratios: number[] = []
  for (const part of Object.values(hostile)) {
    const long = part.repeat(Math.ceil(characters / part.length))
    const short = long.slice(0, long.length / 8)
    const samples = await takeTurns(
      {
        long: () => timeOf(() => read(dialect, long)),
        // As much text in all, so that both are timed alike.
        short: () =>
          timeOf(() => {
            for (let time = 0; time < 8; time++) read(dialect, short)
          }),
      },
      { rounds: Math.min(rounds, 5) },
    )
    ratios.push(Math.min(...samples.long) / Math.min(...samples.short))
  }
  return {
    what: `${dialect.name}: hostile text, proportion`,
    unit: '×',
    value: Math.max(...ratios),
    goal: { on: 'value', most: 2 },
  }
}

import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { Dialect } from '../../../src/agents/dialect/dialect.js'
import { dialectNames, loadDialect } from '../../../src/agents/dialect/dialects.js'
import { type ExpectedCall, inPieces, readChunks, seededRandom, writeTurn } from './dialect-reading.js'

const SEED = 20_261_122
const names = dialectNames.filter((name) => name !== 'none' && name !== 'nous')
const loaded = await Promise.all(names.map((name) => loadDialect(name)))
const dialects = loaded.filter((dialect): dialect is Dialect => dialect !== undefined)

const directory = join(process.env.ALCOVE_DATA_DIR ?? '', 'functions/bfcl/possible_answer')
const isHere = process.env.ALCOVE_DATA_DIR !== undefined && existsSync(directory)

/** Cases of our own, for machines without the judged ones: the same shapes. */
const OWN: readonly (readonly ExpectedCall[])[] = [
  [{ name: 'weather.today', input: { city: 'New York', units: 'metric' } }],
  [{ name: 'route', input: { from: 'Ann Arbor, MI', to: "O'Hare", via: ['Gary', 'Hammond'], tolls: false } }],
  [{ name: 'math.hypot', input: { x: 4, y: 5.5, z: -1e-3 } }],
  [
    { name: 'play', input: { artist: 'Maroon 5', minutes: 15 } },
    { name: 'play', input: { artist: 'Björk (live)', minutes: 20 } },
  ],
  [
    { name: 'book', input: { guest: { name: 'Li Wei', age: 30, tags: ['vip', 'late'] }, nights: 2, extras: [] } },
    { name: 'get_time', input: {} },
    { name: 'notify', input: { text: 'Done: see "room 12", thanks!', when: null } },
  ],
  [{ name: 'query', input: { sql: "SELECT a, b FROM t WHERE c = 'x' AND d > 3", rows: [[1, 2], [3]] } }],
  [{ name: '翻译', input: { 文本: '你好，世界', 目标: 'en' } }],
]

function judgedCases(): ExpectedCall[][] {
  return ['BFCL_v4_simple_python.json', 'BFCL_v4_parallel.json'].flatMap((file) =>
    readFileSync(join(directory, file), 'utf8')
      .trim()
      .split('\n')
      .map((line) => {
        const { ground_truth: truth } = JSON.parse(line) as {
          ground_truth: Record<string, Record<string, unknown[]>>[]
        }
        return truth.flatMap((entry) =>
          Object.entries(entry).map(([name, input]) => ({
            name,
            input: Object.fromEntries(Object.entries(input).map(([key, values]) => [key, values[0]])),
          })),
        )
      }),
  )
}

const isSame = (calls: readonly ExpectedCall[], expected: readonly ExpectedCall[]) =>
  JSON.stringify(calls) === JSON.stringify(expected)

/** A string value as written in JSON, in single quotes. */
const singleQuoted = (code: string) =>
  code.replaceAll(
    /"((?:[^"\\]|\\.)*)"/g,
    (_all, inner: string) => `'${inner.replaceAll('\\"', '"').replaceAll("'", "\\'")}'`,
  )

/** What models do to JSON: each takes an object and gives it damaged. */
const JSON_DAMAGES: Readonly<Record<string, (json: string) => string>> = {
  'trailing commas': (json) => json.replaceAll(/([\]}])/g, ',$1').replaceAll(/([[{]),/g, '$1'),
  'single quotes': singleQuoted,
  'single quotes with apostrophes inside': (json) => singleQuoted(json).replaceAll("\\'", "'"),
  'unquoted keys': (json) => json.replaceAll(/([{,]\s*)"(\w+)":/g, '$1$2:'),
  'raw newlines': (json) => json.replaceAll('\\n', '\n'),
  'a missing brace': (json) => json.slice(0, -1),
  'an extra brace': (json) => `${json}}`,
  'code fences': (json) => `\`\`\`json\n${json}\n\`\`\``,
  'odd white space': (json) => json.replaceAll(/([{}[\]:,])(?=(?:[^"\\]|\\.|"(?:[^"\\]|\\.)*")*$)/g, ' $1\n\t'),
  'words of Python': (json) => json.replaceAll(/(?<=[:,[])true\b/g, 'True').replaceAll(/(?<=[:,[])null\b/g, 'None'),
}

const PYTHON_DAMAGES: Readonly<Record<string, (calls: string[]) => string[]>> = {
  'trailing commas': (calls) =>
    calls.map((call) => call.replace(/(?<!\()\)$/, ',)').replaceAll(/([^[{,])([\]}])/g, '$1,$2')),
  'single quotes': (calls) => calls.map(singleQuoted),
  'unquoted keys': (calls) => calls.map((call) => call.replaceAll(/([{,]\s*)"(\w+)":/g, '$1$2:')),
  'quoted names': (calls) => calls.map((call) => call.replaceAll(/([(,]\s*)(\w+)=/g, '$1"$2"=')),
  'raw newlines': (calls) => calls.map((call) => call.replaceAll('\\n', '\n')),
  'a missing bracket': (calls) => calls.map((call, at) => (at === calls.length - 1 ? call.slice(0, -1) : call)),
  'an extra bracket': (calls) => calls.map((call) => `${call})`),
  'JSON words': (calls) => calls.map((call) => call.replaceAll('=True', '=true').replaceAll('=None', '=null')),
}

const object = ({ name, input }: ExpectedCall) => JSON.stringify({ name, arguments: input })
const llama = ({ name, input }: ExpectedCall) => JSON.stringify({ name, parameters: input })

/** How a turn of damaged calls looks in each dialect whose arguments are JSON. */
const WRITERS: Readonly<Record<string, (calls: readonly ExpectedCall[], damage: (json: string) => string) => string>> =
  {
    hermes: (calls, damage) => calls.map((call) => `<tool_call>\n${damage(object(call))}\n</tool_call>`).join('\n'),
    qwen: (calls, damage) =>
      calls.map(({ name, input }) => `✿FUNCTION✿: ${name}\n✿ARGS✿: ${damage(JSON.stringify(input))}`).join('\n'),
    react: (calls, damage) =>
      calls.map(({ name, input }) => `Action: ${name}\nAction Input: ${damage(JSON.stringify(input))}`).join('\n'),
    // The format's own fences are no damage: there the object goes without.
    json: (calls, damage) =>
      calls
        .map((call) => damage(object(call)))
        .map((json) => (json.startsWith('```') ? json.slice(7, -3) : `\`\`\`json\n${json}\n\`\`\``))
        .join('\n'),
    llama3: (calls, damage) => `<|python_tag|>${calls.map((call) => damage(llama(call))).join('; ')}<|eom_id|>`,
    phi: (calls, damage) => `<|tool_call|>[${calls.map((call) => damage(object(call))).join(', ')}]<|/tool_call|>`,
    mistral: (calls, damage) => `[TOOL_CALLS] [${calls.map((call) => damage(object(call))).join(', ')}]`,
  }

/** Spaces in strings become new lines, so that there are some to damage. */
function withNewlines(calls: readonly ExpectedCall[]): ExpectedCall[] {
  return JSON.parse(
    JSON.stringify(calls, (_key, value) => (typeof value === 'string' ? value.replaceAll(' and ', '\nand ') : value)),
  ).map((call: ExpectedCall, at: number) => ({ ...call, name: calls[at]?.name }))
}

function share(
  cases: readonly (readonly ExpectedCall[])[],
  write: (calls: readonly ExpectedCall[]) => string,
  dialect: Dialect,
) {
  const random = seededRandom(SEED)
  let right = 0
  const wrong: string[] = []
  for (const calls of cases) {
    const text = write(calls)
    const at = Math.floor(random() * text.length)
    const got = readChunks(dialect, [text.slice(0, at), text.slice(at)])
    if (isSame(got.calls, calls) && got.text.trim() === '') right++
    else wrong.push(text)
  }
  return { share: right / cases.length, wrong }
}

describe.each(isHere ? ['own', 'judged'] : ['own'])('%s calls', (which) => {
  const cases = which === 'own' ? OWN : judgedCases()

  if (which === 'judged') it('are all there', () => expect(cases.length).toBe(600))

  describe.each(dialects.map((dialect) => [dialect.name, dialect] as const))('%s', (name, dialect) => {
    it('reads all back, whole, in pieces and cut', () => {
      const random = seededRandom(SEED)
      for (const calls of cases) {
        const text = writeTurn(dialect, calls, 'Sure.')
        const cuts =
          text.length < 120 || which === 'own'
            ? Array.from({ length: text.length - 1 }, (_, at) => at + 1)
            : Array.from({ length: 6 }, () => 1 + Math.floor(random() * (text.length - 1)))
        const readings = [
          readChunks(dialect, [text]),
          readChunks(dialect, text.split('')),
          readChunks(dialect, inPieces(text, 9, random)),
          ...cuts.map((at) => readChunks(dialect, [text.slice(0, at), text.slice(at)])),
        ]
        for (const reading of readings) {
          if (isSame(reading.calls, calls) && reading.text === 'Sure.\n') continue
          expect(reading, text).toMatchObject({ calls, text: 'Sure.\n' })
        }
      }
    })

    const write = WRITERS[name]
    // An object in a list cannot be fenced by itself.
    const isListed = name === 'phi' || name === 'mistral' || name === 'llama3'
    const damages = write ? Object.entries(JSON_DAMAGES).filter(([what]) => !(isListed && what === 'code fences')) : []
    it.each(damages)('mends %s', (what, damage) => {
      const damaged = what === 'raw newlines' ? cases.map(withNewlines) : cases
      const result = share(damaged, (calls) => write?.(calls, damage) ?? '', dialect)
      expect(result.share, result.wrong.slice(0, 3).join('\n---\n')).toBeGreaterThanOrEqual(which === 'own' ? 1 : 0.99)
    })

    if (write && name !== 'qwen' && name !== 'react')
      it('reads arguments given as a string of JSON', () => {
        const asString = ({ name: tool, input }: ExpectedCall) => ({ name: tool, input: JSON.stringify(input) })
        const result = share(cases, (calls) => write?.(calls.map(asString), (json) => json) ?? '', dialect)
        expect(result).toEqual({ share: 1, wrong: [] })
      })

    if (name === 'qwen' || name === 'react')
      it('reads arguments given as a string of JSON', () => {
        const result = share(cases, (calls) => write?.(calls, (json) => JSON.stringify(json)) ?? '', dialect)
        expect(result).toEqual({ share: 1, wrong: [] })
      })

    it.each(write ? [] : Object.entries(PYTHON_DAMAGES))('mends %s', (what, damage) => {
      const damaged = what === 'raw newlines' ? cases.map(withNewlines) : cases
      const [open, between, close] =
        name === 'gemma' ? ['```tool_code\n', '\n', '\n```'] : ['<|tool_call_start|>[', ', ', ']<|tool_call_end|>']
      const one = (call: ExpectedCall) => {
        const text = writeTurn(dialect, [call])
        return text.slice(open?.length, text.length - (close?.length ?? 0))
      }
      const result = share(damaged, (calls) => `${open}${damage(calls.map(one)).join(between)}${close}`, dialect)
      expect(result.share, result.wrong.slice(0, 3).join('\n---\n')).toBeGreaterThanOrEqual(which === 'own' ? 1 : 0.99)
    })

    if (!write)
      it('reads arguments given as a string of JSON', () => {
        const [open, close] =
          name === 'gemma' ? ['```tool_code\n', '\n```'] : ['<|tool_call_start|>[', ']<|tool_call_end|>']
        const one = ({ name: tool, input }: ExpectedCall) => `${tool}(${JSON.stringify(JSON.stringify(input))})`
        const result = share(
          cases,
          (calls) => `${open}${calls.map(one).join(name === 'gemma' ? '\n' : ', ')}${close}`,
          dialect,
        )
        expect(result).toEqual({ share: 1, wrong: [] })
      })
  })
})

describe.skipIf(isHere)('judged calls', () => {
  it.skip('need ALCOVE_DATA_DIR with functions/bfcl')
})

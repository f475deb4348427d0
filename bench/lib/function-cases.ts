import { Validator } from '@cfworker/json-schema'
import { hermesDialect } from '../../src/agents/dialect/hermes.js'
import type { JsonSchema, ToolDescription } from '../../src/protocol/model.js'

/** A question, the functions that are offered, and which calls answer it (Berkeley Function-Calling Leaderboard). */
export interface FunctionCase {
  readonly id: string
  readonly question: string
  readonly tools: readonly ToolDescription[]
  /** For each expected call: name, then for each argument the values that count as right; '' stands for leaving it out. */
  readonly expected: readonly Readonly<Record<string, Readonly<Record<string, readonly unknown[]>>>>[]
}

interface CaseRow {
  readonly id: string
  readonly question: readonly (readonly { readonly content: string }[])[]
  readonly function: readonly { readonly name: string; readonly description: string; readonly parameters: unknown }[]
}

/** Cases of one set; undefined where the data is not on this machine. @param dataUrl folder of judged sets, with a trailing slash */
export async function loadFunctionCases(dataUrl: string, name = 'simple_python'): Promise<FunctionCase[] | undefined> {
  const read = async (path: string) => {
    const response = await fetch(`${dataUrl}${path}`)
    return response.ok ? (await response.text()).split('\n').filter(Boolean) : undefined
  }
  const folders = ['functions/bfcl/', 'bfcl/']
  for (const folder of folders) {
    const rows = await read(`${folder}BFCL_v4_${name}.json`)
    const answers = await read(`${folder}possible_answer/BFCL_v4_${name}.json`)
    if (rows === undefined || answers === undefined) continue
    const expected = new Map(
      answers.map((line) => {
        const { id, ground_truth } = JSON.parse(line) as { id: string; ground_truth: FunctionCase['expected'] }
        return [id, ground_truth]
      }),
    )
    return rows.map((line) => toCase(JSON.parse(line) as CaseRow, expected))
  }
  return undefined
}

function toCase(row: CaseRow, expected: ReadonlyMap<string, FunctionCase['expected']>): FunctionCase {
  return {
    id: row.id,
    question: row.question[0]?.at(-1)?.content ?? '',
    tools: row.function.map(({ name, description, parameters }) => ({
      name,
      description,
      inputSchema: toSchema(parameters) as JsonSchema,
    })),
    expected: expected.get(row.id) ?? [],
  }
}

const TYPES: Readonly<Record<string, string>> = { dict: 'object', float: 'number', tuple: 'array' }

/** The set names types as Python does. */
function toSchema(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(toSchema)
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).flatMap(([key, inner]): [string, unknown][] => {
    if (key !== 'type' || typeof inner !== 'string') return [[key, toSchema(inner)]]
    return inner === 'any' ? [] : [[key, TYPES[inner] ?? inner]]
  })
  return Object.fromEntries(entries)
}

/** How a model's text does: a call that can be made, and the call that was wanted. */
export interface Verdict {
  /** At least one call, each of a known tool with arguments that fit its schema. */
  readonly isValid: boolean
  /** Exactly the expected calls. */
  readonly isRight: boolean
  readonly calls: readonly { readonly name: string; readonly input: unknown }[]
}

/** Judges a text in the `hermes` format. @param reason why the model stopped: a call that was cut off is none */
export function judgeCalls({ tools, expected }: FunctionCase, text: string, reason: 'stop' | 'length'): Verdict {
  let id = 0
  const parser = hermesDialect.createParser({ createId: () => String(++id) })
  const calls = [...parser.push(text), ...parser.end(reason)].flatMap((event) =>
    event.type === 'tool-call' ? [{ name: event.name, input: event.input }] : [],
  )
  const isValid =
    calls.length > 0 &&
    calls.every(({ name, input }) => {
      const tool = tools.find((one) => one.name === name)
      if (tool === undefined) return false
      return new Validator(tool.inputSchema as object, '2020-12').validate(input).valid
    })
  const isRight =
    isValid &&
    calls.length === expected.length &&
    expected.every((wanted, index) => isWanted(wanted, calls[index] as (typeof calls)[number]))
  return { isValid, isRight, calls }
}

function isWanted(wanted: FunctionCase['expected'][number], call: { readonly name: string; readonly input: unknown }) {
  const parameters = wanted[call.name]
  const input = call.input as Record<string, unknown>
  if (parameters === undefined || Object.keys(input).some((key) => !(key in parameters))) return false
  return Object.entries(parameters).every(([key, values]) =>
    key in input ? values.some((value) => isSame(value, input[key])) : values.includes(''),
  )
}

/** As the leaderboard compares: texts without case, spaces and punctuation; inside an object each value is a list of right ones. */
function isSame(wanted: unknown, got: unknown): boolean {
  if (typeof wanted === 'string' && typeof got === 'string') return standard(wanted) === standard(got)
  if (Array.isArray(wanted) && Array.isArray(got)) {
    return wanted.length === got.length && wanted.every((value, index) => isSame(value, got[index]))
  }
  if (isRecord(wanted) && isRecord(got)) {
    if (Object.keys(got).some((key) => !(key in wanted))) return false
    return Object.entries(wanted).every(([key, values]) => {
      const options = Array.isArray(values) ? values : [values]
      return key in got ? options.some((value) => isSame(value, got[key])) : options.includes('')
    })
  }
  return wanted === got
}

const standard = (text: string) =>
  text
    .replaceAll(/[ ,./\-_*^]/g, '')
    .toLowerCase()
    .replaceAll("'", '"')
const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

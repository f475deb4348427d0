import { constrainCalls } from '../src/agents/constrain.js'
import { hermesDialect } from '../src/agents/dialect/hermes.js'
import type { LlmApi } from '../src/engines/serve-model.js'
import { createWorkerModel } from '../src/engines/worker-model.js'
import type { ChatModel, ModelUsage } from '../src/protocol/model.js'
import { createWorkerHost } from '../src/rpc/worker-host.js'
import { missingModel } from './lib/client.js'
import { type FunctionCase, judgeCalls, loadFunctionCases } from './lib/function-cases.js'
import { type BenchContext, type Figure, measureOf, type Report } from './lib/result.js'
import { summarize } from './lib/statistics.js'

export const what = 'Tool calls of a model of 135 million parameters: held to a grammar of the tools, and free.'

const FOLDER = 'SmolLM2-135M-Instruct'
/** Of free text: more than twice what a call has (52 tokens at the median). A call that is held to the grammar ends by itself. */
const FREE_TOKENS = 128
/** Every so many cases are asked free too: a free answer goes on to its limit. */
const FREE_EVERY = 5

interface Answer {
  readonly isValid: boolean
  readonly isRight: boolean
  /** Whether a call came twice, with the same input. */
  readonly isRepeated: boolean
  readonly usage: ModelUsage | undefined
}

async function answer(model: ChatModel, one: FunctionCase, isConstrained: boolean): Promise<Answer> {
  const { question, tools } = one
  const toolChoice = 'required'
  const messages = hermesDialect.format({
    messages: [{ role: 'user', content: question }],
    tools,
    toolChoice,
    final: false,
    language: 'en',
  })
  const { grammar } = model.capabilities
  const output = isConstrained
    ? constrainCalls({ tools, toolChoice, dialect: 'hermes', grammar, isWeak: true })
    : undefined
  if (isConstrained && output === undefined) throw new Error('expected an engine that takes grammars')
  let text = ''
  let usage: ModelUsage | undefined
  let isCut = false
  const maxTokens = isConstrained ? undefined : FREE_TOKENS
  const reader = model.stream({ messages, output, sampling: { temperature: 0, maxTokens } }).getReader()
  for (let { done, value } = await reader.read(); !done; { done, value } = await reader.read()) {
    if (value?.type === 'text-delta') text += value.text
    if (value?.type === 'model-usage') usage = value.usage
    if (value?.type === 'model-finish') isCut = value.reason === 'length'
  }
  const { calls, ...verdict } = judgeCalls(one, text, isCut ? 'length' : 'stop')
  return { ...verdict, isRepeated: new Set(calls.map((call) => JSON.stringify(call))).size < calls.length, usage }
}

const share = (answers: readonly Answer[], key: 'isValid' | 'isRight' | 'isRepeated') =>
  (100 * answers.filter((one) => one[key]).length) / answers.length
const seconds = (times: readonly number[]) => measureOf(summarize(times.map((ms) => ms / 1_000)))
const prefillMs = ({ usage }: Answer) => usage?.prefillMs ?? 0
const decodeMs = ({ usage }: Answer) => usage?.decodeMs ?? 0

/** @param free answers to the cases at the places that `FREE_EVERY` divides */
function figuresOf(constrained: readonly Answer[], free: readonly Answer[]): Figure[] {
  // The free answer's prompt is the other one's, which the engine has read: it would have taken the same time.
  const freeTimes = free.map((one, at) => prefillMs(constrained[at * FREE_EVERY] as Answer) + decodeMs(one))
  const size = `${constrained.length} cases`
  const baseline = `free, ${free.length} of the cases`
  return [
    {
      what: `Calls that can be made, held to a grammar (${size})`,
      unit: '%',
      value: share(constrained, 'isValid'),
      baselines: [{ what: baseline, value: share(free, 'isValid') }],
      goal: { on: 'value', least: 98 },
    },
    {
      what: `Calls that are right, held to a grammar (${size})`,
      unit: '%',
      value: share(constrained, 'isRight'),
      baselines: [{ what: baseline, value: share(free, 'isRight') }],
      goal: { on: 'value', least: 20 },
    },
    {
      what: `Answers with a call that is there twice, held to a grammar (${size})`,
      unit: '%',
      value: share(constrained, 'isRepeated'),
      baselines: [{ what: baseline, value: share(free, 'isRepeated') }],
      goal: { on: 'value', most: 0 },
    },
    {
      what: 'Time a call, prompt included',
      unit: 's',
      ...seconds(constrained.map((one) => prefillMs(one) + decodeMs(one))),
      baselines: [{ what: baseline, ...seconds(freeTimes) }],
    },
  ]
}

/** Cases spread over the whole set, since neighbours are alike. */
function spread(cases: readonly FunctionCase[], count: number): FunctionCase[] {
  return Array.from(
    { length: Math.min(count, cases.length) },
    (_, index) => cases[Math.floor((index * cases.length) / count)] as FunctionCase,
  )
}

/** Runs the benchmark in this page. */
export async function run(context: BenchContext): Promise<Report> {
  const cases = context.dataUrl === undefined ? undefined : await loadFunctionCases(context.dataUrl)
  const missing =
    missingModel(context, FOLDER) ??
    (cases ? undefined : 'the function cases of BFCL are not here (name their folder in ALCOVE_DATA_DIR)')
  if (missing !== undefined || cases === undefined) return { figures: [], notes: [], skipped: [missing ?? ''] }
  const chosen = spread(cases, context.quick ? 4 : 100)
  const host = createWorkerHost<LlmApi>({
    name: 'bench-constrained',
    open: () =>
      new Worker(new URL('./constrained.worker.ts', import.meta.url), {
        type: 'module',
        name: new URL('/dist/workers/', globalThis.location.href).href,
      }),
  })
  const spec = {
    id: `transformers:${FOLDER}`,
    baseUrl: context.modelsUrl,
    allowRemote: false,
    hubUrl: 'https://hub.invalid/',
    cacheName: 'bench-models',
  }
  const model = createWorkerModel({ spec, host })
  try {
    await model.load()
    const constrained: Answer[] = []
    const free: Answer[] = []
    for (const [at, one] of chosen.entries()) {
      constrained.push(await answer(model, one, true))
      if (at % FREE_EVERY === 0) free.push(await answer(model, one, false))
    }
    const tokens = summarize(constrained.map(({ usage }) => usage?.completionTokens ?? 0)).median
    return {
      figures: figuresOf(constrained, free),
      notes: [
        `BFCL v4 simple_python, spread over the set; the hermes format, one tool, temperature 0. Free: at most ${FREE_TOKENS} tokens, and the time to read the prompt is that of the same prompt held to a grammar. The limits of the grammar (one call, strings of 80 characters, lists of 16) are those that the library sets for every tool of a weak model: one call since such a model repeats itself, a string and a list that a person would still write by hand. They are not fitted to these cases.`,
        `A call has ${tokens} tokens (median); what the grammar leaves no choice in is read in one step. Valid: it parses, names the tool, and its arguments fit the schema. Right: as the set says, too.`,
      ],
      skipped: [],
    }
  } finally {
    await host.close()
  }
}

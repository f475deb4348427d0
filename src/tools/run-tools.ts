import type { ToolCallPart, ToolResultPart } from '../protocol/message.js'
import type { StreamPart } from '../protocol/stream-part.js'
import { abortable } from '../runtime/abort.js'
import type { Clock } from '../runtime/clock.js'
import { createLimiter, type Limiter } from '../runtime/limiter.js'
import { canonicalJson } from '../text/hash.js'
import { nearestNames } from './nearest-names.js'
import type { Tool } from './tool.js'
import { errorText, failure, type Outcome, shorten, tryTool } from './try-tool.js'
import { describeValue } from './validate.js'

/** A call without its part type. */
export type Call = Pick<ToolCallPart, 'callId' | 'name' | 'input'>

/** What a person said to a call that needs approval. */
export interface Approval {
  readonly isApproved: boolean
  readonly why?: string | undefined
}

export interface ToolRunnerOptions {
  readonly tools: readonly Tool[]
  readonly maxParallelCalls: number
  /** Most calls that are made in all. @default no limit */
  readonly maxCalls?: number | undefined
  readonly signal: AbortSignal
  readonly clock: Clock
  readonly emit: (part: StreamPart) => void
  /** Asks a person; undefined when there is nobody to ask: such a call then stays without a result. */
  readonly askApproval?: ((call: Call) => Promise<Approval>) | undefined
  /** Stored results of tools that have `cache` set, shared by the runs of an agent. */
  readonly cache: Map<string, Promise<Outcome>>
}

/** What came of the calls of one step. */
export interface StepResults {
  /** In call order. A call that waits for approval has none. */
  readonly results: readonly ToolResultPart[]
  readonly waiting: readonly Call[]
  /** Whether every call had an input that did not fit. */
  readonly isAllInvalid: boolean
  /** How often the most repeated call came with the same input and the same result, in so many steps. */
  readonly mostRepeated: number
}

/** Runs the calls of a run. A call starts as soon as it is given. */
export interface ToolRunner {
  start(call: Call): void
  /** Waits for the calls since the last time. Rejects at once when a tool threw a fatal error, or the run was aborted. */
  settle(): Promise<StepResults>
  /** Number of calls that were started. */
  readonly calls: number
  /** Time in which at least one tool ran, in milliseconds. */
  readonly busyMs: number
}

/** Stored results of pure tools. */
const MAX_CACHED = 256

/** A runner for the calls of one run. */
export function createToolRunner(options: ToolRunnerOptions): ToolRunner {
  return new Runner(options)
}

class Runner implements ToolRunner {
  readonly #options: ToolRunnerOptions
  readonly #tools: ReadonlyMap<string, Tool>
  readonly #limiter: Limiter
  readonly #own = new Map<Tool, Limiter>()
  readonly #repeats = new Map<string, number>()
  #step: { readonly call: Call; readonly outcome: Promise<Outcome | undefined> }[] = []
  #calls = 0
  #active = 0
  #busyMs = 0
  #busySince = 0

  constructor(options: ToolRunnerOptions) {
    this.#options = options
    this.#tools = new Map(options.tools.map((tool) => [tool.name, tool]))
    this.#limiter = createLimiter(options.maxParallelCalls)
    // A failure shows at the first call.
    for (const tool of options.tools) tool.prepare().catch(() => {})
  }

  get calls(): number {
    return this.#calls
  }

  get busyMs(): number {
    return this.#busyMs + (this.#active > 0 ? this.#options.clock.now() - this.#busySince : 0)
  }

  start(call: Call): void {
    const outcome = this.#finish(call, ++this.#calls)
    // Reported by `settle`; until then it is no unhandled rejection.
    outcome.catch(() => {})
    this.#step.push({ call, outcome })
  }

  async settle(): Promise<StepResults> {
    const step = this.#step
    this.#step = []
    const outcomes = await abortable(Promise.all(step.map(({ outcome }) => outcome)), this.#options.signal)
    const calls = step.map(({ call }) => call)
    return summarise(calls, outcomes, this.#repeats)
  }

  async #finish(call: Call, place: number): Promise<Outcome | undefined> {
    const { signal, emit } = this.#options
    const outcome = await this.#perform(call, place)
    if (outcome !== undefined && !signal.aborted) {
      const { output, isError } = outcome
      emit({ type: 'tool-result', callId: call.callId, name: call.name, output, isError })
    }
    return outcome
  }

  async #perform(call: Call, place: number): Promise<Outcome | undefined> {
    const { maxCalls = Number.POSITIVE_INFINITY, askApproval, emit, signal } = this.#options
    if (place > maxCalls) return failure(tooManyText(maxCalls))
    if (call.name === '') return { ...failure(unreadableText()), isInvalid: true }
    const tool = this.#tools.get(call.name)
    if (tool === undefined) return failure(unknownText(call.name, [...this.#tools.keys()]))
    const checked = await checkInput(tool, call.input)
    if ('isError' in checked) return checked
    if (needsApproval(tool, checked.input)) {
      emit({ type: 'approval-request', ...call })
      if (askApproval === undefined) return undefined
      const { isApproved, why } = await abortable(askApproval(call), signal)
      if (!isApproved) return failure(`Error: the user refused this call${why ? `: ${why}` : '.'}`)
    }
    return await this.#throughLimits(tool, () => this.#timed(() => this.#cached(tool, call, checked.input)))
  }

  #throughLimits(tool: Tool, task: () => Promise<Outcome>): Promise<Outcome> {
    const { signal } = this.#options
    if (tool.maxParallel === undefined) return this.#limiter.run(task, { signal })
    const own = this.#own.get(tool) ?? createLimiter(tool.maxParallel)
    this.#own.set(tool, own)
    return own.run(() => this.#limiter.run(task, { signal }), { signal })
  }

  async #timed<T>(task: () => Promise<T>): Promise<T> {
    const { clock } = this.#options
    if (this.#active++ === 0) this.#busySince = clock.now()
    try {
      return await task()
    } finally {
      if (--this.#active === 0) this.#busyMs += clock.now() - this.#busySince
    }
  }

  async #cached(tool: Tool, call: Call, input: unknown): Promise<Outcome> {
    const { cache, signal } = this.#options
    if (!tool.cache) return await tryTool(tool, call, input, this.#options)
    const key = `${tool.name} ${canonicalJson(call.input ?? {})}`
    // One that was aborted with another run is no result: this run makes its own.
    const stored = cache.get(key)?.catch(() => undefined)
    const shared = stored && (await abortable(stored, signal))
    if (shared !== undefined) return shared
    const made = tryTool(tool, call, input, this.#options)
    cache.set(key, made)
    for (const oldest of cache.keys()) {
      if (cache.size <= MAX_CACHED) break
      cache.delete(oldest)
    }
    const forget = () => cache.delete(key)
    made.then(({ isError }) => isError && forget(), forget)
    return await made
  }
}

function summarise(
  calls: readonly Call[],
  outcomes: readonly (Outcome | undefined)[],
  repeats: Map<string, number>,
): StepResults {
  const results: ToolResultPart[] = []
  const waiting: Call[] = []
  const keys = new Set<string>()
  let invalid = 0
  for (const [index, call] of calls.entries()) {
    const outcome = outcomes[index]
    if (outcome === undefined) {
      waiting.push(call)
      continue
    }
    const { output, isError, isInvalid } = outcome
    const part = { type: 'tool-result', callId: call.callId, name: call.name, output } as const
    results.push(isError ? { ...part, isError } : part)
    if (isInvalid) invalid++
    keys.add(canonicalJson([call.name, call.input ?? {}, output]))
  }
  let mostRepeated = 0
  for (const key of keys) {
    const times = (repeats.get(key) ?? 0) + 1
    repeats.set(key, times)
    mostRepeated = Math.max(mostRepeated, times)
  }
  return { results, waiting, isAllInvalid: calls.length > 0 && invalid === calls.length, mostRepeated }
}

async function checkInput(tool: Tool, given: unknown): Promise<Outcome | { readonly input: unknown }> {
  const input = given === undefined ? {} : given
  if (typeof input !== 'object' || input === null || Array.isArray(input)) {
    return invalid(tool, [`input: expected an object, got ${describeValue(input)}`])
  }
  try {
    const check = await tool.checkInput(input)
    return check.isValid ? { input: check.input } : invalid(tool, check.problems)
  } catch (error) {
    return failure(errorText(tool, error))
  }
}

/** Whether a person must be asked; a check that fails asks. */
function needsApproval(tool: Tool, input: unknown): boolean {
  try {
    return tool.needsApproval(input)
  } catch {
    return true
  }
}

function invalid(tool: Tool, problems: readonly string[]): Outcome {
  const list = problems.map((problem) => `- ${problem}`).join('\n')
  return {
    ...failure(`Error: the input of ${tool.name} does not fit its schema. Mend it and call again:\n${list}`),
    isInvalid: true,
  }
}

function tooManyText(maxCalls: number): string {
  return `Error: the limit of ${maxCalls} tool calls is reached. Answer without more calls.`
}

function unreadableText(): string {
  return 'Error: the call could not be read. Expected an object {"name": …, "arguments": {…}} in valid JSON.'
}

function unknownText(name: string, names: readonly string[]): string {
  if (names.length === 0) return `Error: there is no tool ${name}: no tools can be called here.`
  const near = nearestNames(name, names)
  const hint = near.length > 0 ? ` Did you mean ${near.join(' or ')}?` : ''
  return shorten(`Error: there is no tool ${name}.${hint} The tools are: ${names.slice(0, 20).join(', ')}.`)
}

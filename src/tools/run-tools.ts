import { isAlcoveError } from '../protocol/error.js'
import type { ToolCallPart, ToolResultPart } from '../protocol/message.js'
import type { StreamPart } from '../protocol/stream-part.js'
import { abortable, abortError, onAbort } from '../runtime/abort.js'
import type { Clock } from '../runtime/clock.js'
import { createLimiter, type Limiter } from '../runtime/limiter.js'
import { canonicalJson } from '../text/hash.js'
import { nearestNames } from './nearest-names.js'
import { isFatal, type Tool } from './tool.js'
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
  readonly cache: Map<string, Promise<unknown>>
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

interface Outcome {
  readonly output: unknown
  readonly isError: boolean
  readonly isInvalid?: boolean
}

/** Longest text of an error that a model is given. */
const MAX_ERROR_TEXT = 500
const MAX_CACHED = 256

export function createToolRunner(options: ToolRunnerOptions): ToolRunner {
  const { tools, signal, clock, emit, maxCalls = Number.POSITIVE_INFINITY } = options
  const byName = new Map(tools.map((tool) => [tool.name, tool]))
  const limiter = createLimiter(options.maxParallelCalls)
  const own = new Map<Tool, Limiter>()
  const repeats = new Map<string, number>()
  // A failure shows at the first call.
  for (const tool of tools) tool.prepare().catch(() => {})
  let step: { readonly call: Call; readonly outcome: Promise<Outcome | undefined> }[] = []
  let calls = 0
  let active = 0
  let busyMs = 0
  let busySince = 0

  async function perform(call: Call, place: number): Promise<Outcome | undefined> {
    if (place > maxCalls)
      return failure(`Error: the limit of ${maxCalls} tool calls is reached. Answer without more calls.`)
    if (call.name === '') return { ...failure(unreadableText()), isInvalid: true }
    const tool = byName.get(call.name)
    if (tool === undefined) return failure(unknownText(call.name, [...byName.keys()]))
    const checked = await checkInput(tool, call.input)
    if ('isError' in checked) return checked
    if (needsApproval(tool, checked.input)) {
      emit({ type: 'approval-request', ...call })
      if (options.askApproval === undefined) return undefined
      const { isApproved, why } = await abortable(options.askApproval(call), signal)
      if (!isApproved) return failure(`Error: the user refused this call${why ? `: ${why}` : '.'}`)
    }
    return await throughLimits(tool, () => timed(() => cached(tool, call, checked.input)))
  }

  function throughLimits(tool: Tool, task: () => Promise<Outcome>): Promise<Outcome> {
    if (tool.maxParallel === undefined) return limiter.run(task, { signal })
    const ownLimiter = own.get(tool) ?? createLimiter(tool.maxParallel)
    own.set(tool, ownLimiter)
    return ownLimiter.run(() => limiter.run(task, { signal }), { signal })
  }

  async function timed<T>(task: () => Promise<T>): Promise<T> {
    if (active++ === 0) busySince = clock.now()
    try {
      return await task()
    } finally {
      if (--active === 0) busyMs += clock.now() - busySince
    }
  }

  async function cached(tool: Tool, call: Call, input: unknown): Promise<Outcome> {
    if (!tool.cache) return await attempt(tool, call, input)
    const key = `${tool.name} ${canonicalJson(call.input ?? {})}`
    const stored = options.cache.get(key)
    // One that was aborted with another run is no result: this run makes its own.
    const shared =
      stored &&
      ((await abortable(
        stored.catch(() => undefined),
        signal,
      )) as Outcome | undefined)
    if (shared !== undefined) return shared
    const made = attempt(tool, call, input)
    options.cache.set(key, made)
    for (const oldest of options.cache.keys()) {
      if (options.cache.size <= MAX_CACHED) break
      options.cache.delete(oldest)
    }
    const forget = () => options.cache.delete(key)
    made.then(({ isError }) => isError && forget(), forget)
    return await made
  }

  async function attempt(tool: Tool, call: Call, input: unknown): Promise<Outcome> {
    for (let tries = 0; ; tries++) {
      try {
        return { output: toPlain(await runOnce(tool, call, input)), isError: false }
      } catch (error) {
        if (signal.aborted) throw abortError(signal)
        if (isFatal(error)) throw error
        if (tries >= tool.retries) return failure(errorText(tool, error))
      }
    }
  }

  /** One try. Its signal aborts with the run and when the time is over; what the tool does after that is ignored. */
  async function runOnce(tool: Tool, { callId, name }: Call, input: unknown): Promise<unknown> {
    const controller = new AbortController()
    const forget = onAbort(signal, () => controller.abort(signal.reason))
    const cancelTimer = clock.setTimer(tool.timeoutMs, () => controller.abort(new ToolTimeout()))
    let isOver = false
    const report = (progress: unknown) => {
      if (!isOver && !signal.aborted) emit({ type: 'tool-progress', callId, name, progress })
    }
    try {
      return await new Promise((resolve, reject) => {
        onAbort(controller.signal, ({ reason }) => reject(reason))
        tool.execute(input, { signal: controller.signal, callId, report }).then(resolve, reject)
      })
    } finally {
      isOver = true
      cancelTimer()
      forget()
    }
  }

  async function finish(call: Call, place: number): Promise<Outcome | undefined> {
    const outcome = await perform(call, place)
    if (outcome !== undefined && !signal.aborted) {
      emit({
        type: 'tool-result',
        callId: call.callId,
        name: call.name,
        output: outcome.output,
        isError: outcome.isError,
      })
    }
    return outcome
  }

  return {
    start(call) {
      const outcome = finish(call, ++calls)
      // Reported by `settle`; until then it is no unhandled rejection.
      outcome.catch(() => {})
      step.push({ call, outcome })
    },
    async settle() {
      const settling = step
      step = []
      const outcomes = await abortable(Promise.all(settling.map(({ outcome }) => outcome)), signal)
      return summarise(
        settling.map(({ call }) => call),
        outcomes,
        repeats,
      )
    },
    get calls() {
      return calls
    },
    get busyMs() {
      return busyMs + (active > 0 ? clock.now() - busySince : 0)
    },
  }
}

class ToolTimeout extends Error {}

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

/** A tool's output as data: what JSON can say of it. Throws for circular values. */
function toPlain(output: unknown): unknown {
  if (typeof output === 'string' || typeof output === 'boolean' || output === null) return output
  const json = JSON.stringify(output)
  return json === undefined ? null : JSON.parse(json)
}

function failure(output: string): Outcome {
  return { output, isError: true }
}

function invalid(tool: Tool, problems: readonly string[]): Outcome {
  const list = problems.map((problem) => `- ${problem}`).join('\n')
  return {
    ...failure(`Error: the input of ${tool.name} does not fit its schema. Mend it and call again:\n${list}`),
    isInvalid: true,
  }
}

function unreadableText(): string {
  return 'Error: the call could not be read. Expected an object {"name": …, "arguments": {…}} in valid JSON.'
}

function unknownText(name: string, names: readonly string[]): string {
  if (names.length === 0) return `Error: there is no tool ${name}: no tools can be called here.`
  const near = nearestNames(name, names)
  const hint = near.length > 0 ? ` Did you mean ${near.join(' or ')}?` : ''
  return cut(`Error: there is no tool ${name}.${hint} The tools are: ${names.slice(0, 20).join(', ')}.`)
}

/** Short, without a stack: what a model can act on. */
function errorText(tool: Tool, error: unknown): string {
  if (error instanceof ToolTimeout) return `Error: ${tool.name} did not finish within ${tool.timeoutMs} ms.`
  const text = error instanceof Error || isAlcoveError(error) ? error.message : String(error)
  return cut(`Error: ${tool.name} failed: ${text || 'no reason given'}`)
}

function cut(text: string): string {
  return text.length > MAX_ERROR_TEXT ? `${text.slice(0, MAX_ERROR_TEXT - 1)}…` : text
}

import type { Message, ToolCallPart, ToolResultPart } from '../protocol/message.js'
import type { StreamPart } from '../protocol/stream-part.js'
import { abortable } from '../runtime/abort.js'
import type { Clock } from '../runtime/clock.js'
import { createLimiter, type Limiter } from '../runtime/limiter.js'
import { canonicalJson } from '../text/hash.js'
import { interruptedText, invalidInput, tooManyText, unknownText, unreadableText } from './call-errors.js'
import { replaceMedia } from './output.js'
import type { Tool, ToolHost } from './tool.js'
import { errorText, failure, type Outcome, tryTool } from './try-tool.js'
import { describeValue } from './validate.js'

/** A call without its part type. */
export type Call = Pick<ToolCallPart, 'callId' | 'name' | 'input'>

/** What a person said to a call that needs approval. */
export interface Approval {
  readonly isApproved: boolean
  readonly why?: string | undefined
}

/** A call of a step that is not over, and how far it is. Structured-cloneable. */
export interface StepCall extends Call {
  /** `waiting` for a person's answer, `running`, or `done` with what came of it. */
  readonly status: 'waiting' | 'running' | 'done'
  readonly output?: unknown
  readonly isError?: boolean
}

/**
 * Called when calls wait for a person and everything else in the step is done, before the requests are told. `calls` tells at any later time
 * how far each call is. Gives whether to wait for answers.
 */
export type OnPause = (calls: () => readonly StepCall[]) => Promise<boolean>

export interface ToolRunnerOptions {
  readonly tools: readonly Tool[]
  readonly maxParallelCalls: number
  /** Most calls that are made in all. @default no limit */
  readonly maxCalls?: number | undefined
  readonly signal: AbortSignal
  readonly clock: Clock
  readonly emit: (part: StreamPart) => void
  /** A person's answer to a call that needs approval. */
  readonly askApproval: (call: Call) => Promise<Approval>
  /** Told at once of an error that ends the run. */
  readonly onFatal?: ((error: unknown) => void) | undefined
  /** The run, for tools that are agents. */
  readonly host?: ToolHost | undefined
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

/** The calls of a run that was stored. */
export interface StoredCalls {
  /** What the run added to the conversation before the step in which it paused. */
  readonly messages: readonly Message[]
  /** The calls of that step. */
  readonly calls: readonly StepCall[]
  /** Number of calls that were started, those of that step included. */
  readonly made: number
}

/** Runs the calls of a run. A call starts as soon as it is given. */
export interface ToolRunner {
  start(call: Call): void
  /** Takes up a run that was stored: what it did, and the calls of the step in which it paused. Nothing that began is begun again. */
  restore(stored: StoredCalls): void
  /** Waits for the calls since the last time. Rejects at once when a tool threw a fatal error, or the run was aborted. */
  settle(onPause: OnPause): Promise<StepResults>
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

/** A call of the open step. */
interface Entry {
  readonly call: Call
  /** Resolves with undefined for a call that waits for a person. */
  outcome: Promise<Outcome | undefined>
  settled: Outcome | undefined
  /** Makes the call, of one that waits for a person. */
  execute: (() => Promise<Outcome>) | undefined
}

class Runner implements ToolRunner {
  readonly #options: ToolRunnerOptions
  readonly #tools: ReadonlyMap<string, Tool>
  readonly #limiter: Limiter
  readonly #own = new Map<Tool, Limiter>()
  readonly #made = new Map<string, number>()
  readonly #repeats = new Map<string, number>()
  #step: Entry[] = []
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
    const place = ++this.#calls
    const made = this.#count(call.name)
    this.#add(call, async (entry) => {
      const ready = await this.#prepare(call, place, made)
      if ('isError' in ready) return ready
      if (!ready.needsApproval) return await ready.execute()
      entry.execute = ready.execute
      return undefined
    })
  }

  restore({ messages, calls, made }: StoredCalls): void {
    this.#calls = made
    for (const { names, results } of stepsOf(messages)) {
      for (const name of names) this.#count(name)
      countRepeats(results, this.#repeats)
    }
    for (const { callId, name, input, status, output, isError = false } of calls) {
      this.#count(name)
      const call = { callId, name, input }
      if (status === 'done') {
        const settled = { output, isError }
        this.#step.push({ call, settled, execute: undefined, outcome: Promise.resolve(settled) })
        continue
      }
      this.#add(call, async (entry) => {
        if (status === 'running') return failure(interruptedText())
        entry.execute = async () => {
          const ready = await this.#prepare(call)
          return 'isError' in ready ? ready : await ready.execute()
        }
        return undefined
      })
    }
  }

  async settle(onPause: OnPause): Promise<StepResults> {
    const step = this.#step
    this.#step = []
    const { signal, emit } = this.#options
    const finish = (entries: readonly Entry[]) => abortable(Promise.all(entries.map((entry) => entry.outcome)), signal)
    await finish(step)
    const waiting = step.filter(({ execute }) => execute !== undefined)
    if (waiting.length > 0) {
      const canAsk = await abortable(
        onPause(() => step.map(describeEntry)),
        signal,
      )
      for (const { call } of waiting) emit({ type: 'approval-request', ...call })
      if (canAsk) {
        for (const entry of waiting) this.#follow(entry, this.#executeApproved(entry))
        await finish(waiting)
      }
    }
    return summarise(step, this.#repeats)
  }

  #add(call: Call, work: (entry: Entry) => Promise<Outcome | undefined>): void {
    const entry: Entry = { call, settled: undefined, execute: undefined, outcome: Promise.resolve(undefined) }
    this.#step.push(entry)
    this.#follow(entry, work(entry))
  }

  /** Tells of what came of a call, in the order in which calls finish. */
  #follow(entry: Entry, work: Promise<Outcome | undefined>): void {
    const { signal, emit, onFatal } = this.#options
    const { callId, name } = entry.call
    entry.outcome = work.then((outcome) => {
      entry.settled = outcome
      if (outcome !== undefined && !signal.aborted) {
        const { output, isError } = outcome
        emit({ type: 'tool-result', callId, name, output, isError })
      }
      return outcome
    })
    // Thrown by `settle` too; until then it is no unhandled rejection.
    entry.outcome.catch((error) => onFatal?.(error))
  }

  async #executeApproved(entry: Entry): Promise<Outcome> {
    const { askApproval, signal } = this.#options
    const { isApproved, why } = await abortable(askApproval(entry.call), signal)
    const { execute } = entry
    entry.execute = undefined
    if (isApproved && execute) return await execute()
    return failure(`Error: the user refused this call${why ? `: ${why}` : '.'}`)
  }

  #count(name: string): number {
    const made = (this.#made.get(name) ?? 0) + 1
    this.#made.set(name, made)
    return made
  }

  /**
   * What is to be done about a call: an outcome where it cannot be made, else the work.
   *
   * @param place how many calls the run has with this one; 0 for one that was counted before
   * @param made the same for this tool
   */
  async #prepare(
    call: Call,
    place = 0,
    made = 0,
  ): Promise<Outcome | { readonly needsApproval: boolean; execute(): Promise<Outcome> }> {
    const { maxCalls = Number.POSITIVE_INFINITY } = this.#options
    if (place > maxCalls) return failure(tooManyText(maxCalls))
    if (call.name === '') return { ...failure(unreadableText()), isInvalid: true }
    const tool = this.#tools.get(call.name)
    if (tool === undefined) return failure(unknownText(call.name, [...this.#tools.keys()]))
    if (made > (tool.maxCalls ?? made)) return failure(tooManyText(tool.maxCalls ?? made, tool.name))
    const checked = await checkInput(tool, call.input)
    if ('isError' in checked) return checked
    const { input } = checked
    return {
      needsApproval: needsApproval(tool, input),
      execute: () => this.#throughLimits(tool, () => this.#timed(() => this.#cached(tool, call, input))),
    }
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

function describeEntry({ call, settled, execute }: Entry): StepCall {
  if (settled === undefined) return { ...call, status: execute ? 'waiting' : 'running' }
  return { ...call, status: 'done', output: settled.output, isError: settled.isError }
}

function summarise(step: readonly Entry[], repeats: Map<string, number>): StepResults {
  const results: ToolResultPart[] = []
  const waiting: Call[] = []
  const compared: Compared[] = []
  let invalid = 0
  for (const { call, settled } of step) {
    if (settled === undefined) {
      waiting.push(call)
      continue
    }
    const { output, isError, isInvalid } = settled
    const part = { type: 'tool-result', callId: call.callId, name: call.name, output } as const
    results.push(isError ? { ...part, isError } : part)
    if (isInvalid) invalid++
    compared.push({ ...call, output })
  }
  const isAllInvalid = step.length > 0 && invalid === step.length
  return { results, waiting, isAllInvalid, mostRepeated: countRepeats(compared, repeats) }
}

type Compared = Pick<Call, 'name' | 'input'> & { readonly output: unknown }

/** Counts the calls of a step, equal ones once. Gives the highest count among them. */
function countRepeats(calls: readonly Compared[], repeats: Map<string, number>): number {
  const keys = calls.map(({ name, input, output }) => canonicalJson([name, input ?? {}, replaceMedia(output)]))
  let most = 0
  for (const key of new Set(keys)) {
    const times = (repeats.get(key) ?? 0) + 1
    repeats.set(key, times)
    most = Math.max(most, times)
  }
  return most
}

/** For each message of a conversation: the names of the tools that it calls, and the calls whose results it has. */
function stepsOf(messages: readonly Message[]) {
  const inputs = new Map<string, unknown>()
  return messages.map(({ content }) => {
    const parts = typeof content === 'string' ? [] : content
    const calls = parts.filter((part) => part.type === 'tool-call')
    for (const { callId, input } of calls) inputs.set(callId, input)
    const results = parts.filter((part) => part.type === 'tool-result')
    return {
      names: calls.map(({ name }) => name),
      results: results.map(({ callId, name, output }) => ({ name, input: inputs.get(callId), output })),
    }
  })
}

async function checkInput(tool: Tool, given: unknown): Promise<Outcome | { readonly input: unknown }> {
  const input = given === undefined ? {} : given
  if (typeof input !== 'object' || input === null || Array.isArray(input)) {
    return invalidInput(tool, [`input: expected an object, got ${describeValue(input)}`])
  }
  try {
    const check = await tool.checkInput(input)
    return check.isValid ? { input: check.input } : invalidInput(tool, check.problems)
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

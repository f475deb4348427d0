import type { Citation } from '../protocol/corpus.js'
import { AlcoveError } from '../protocol/error.js'
import type { Message } from '../protocol/message.js'
import type { Finish, Usage } from '../protocol/stream-part.js'
import { type Clock, systemClock } from '../runtime/clock.js'
import type { ToolRunner } from '../tools/run-tools.js'
import { tool as makeTool, type Tool } from '../tools/tool.js'
import type { Outcome } from '../tools/try-tool.js'
import { runLoop } from './loop.js'
import type { AgentInput, AgentOptions } from './options.js'
import { type AgentRun, type RunRecord, startRun } from './run.js'
import { createUsageMeter } from './usage.js'

export type { AgentInput, AgentOptions, ModelResolver, RetrievalOptions, RunLimits, StepState } from './options.js'
export type { AgentRun } from './run.js'

export interface RunOptions {
  /** Ends the run when it aborts. */
  readonly signal?: AbortSignal | undefined
  /**
   * `true` also keeps and replays answers that are not deterministic; `false` neither asks nor fills the answer cache. Only for agents of a
   * client. @default answers at temperature 0 or with a seed
   */
  readonly cache?: boolean | undefined
}

/** A whole answer. */
export interface AgentResult {
  /** The text of all steps, without drafts. */
  readonly text: string
  /** The messages that the run added to the conversation. */
  readonly messages: readonly Message[]
  readonly citations: readonly Citation[]
  readonly usage: Usage
  readonly finish: Finish
}

/** Something that answers: a model with instructions, tools and documents. */
export interface Agent {
  readonly name: string
  /** Starts a run. Never throws: what is wrong with the input comes as the run's error. */
  stream(input: AgentInput, options?: RunOptions): AgentRun
  /**
   * Runs to the end. A call that needs approval ends it with the reason `paused`, since nobody can be asked.
   * @throws AlcoveError what the run failed with; `aborted` when it was aborted
   */
  generate(input: AgentInput, options?: RunOptions): Promise<AgentResult>
}

/** What an agent takes from its surroundings. */
export interface AgentEnvironment {
  /** @default the system's clock */
  readonly clock?: Clock | undefined
  /** Ids for tool calls. @default random */
  readonly createId?: (() => string) | undefined
}

/**
 * Creates an agent.
 *
 * @throws AlcoveError `invalid-argument` when there is no model, or an option does not fit
 */
export function createAgent(options: AgentOptions, environment: AgentEnvironment = {}): Agent {
  const tools = readOptions(options ?? {})
  const { clock = systemClock, createId = randomId } = environment
  const toolCache = new Map<string, Promise<Outcome>>()

  function start(input: AgentInput, { signal, cache }: RunOptions, canAskApproval: boolean) {
    let runner: ToolRunner | undefined
    const meter = createUsageMeter(clock, () => runner?.busyMs ?? 0)
    const record: RunRecord = {
      text: '',
      draft: '',
      partial: '',
      messages: [],
      citations: [],
      steps: 0,
      openStep: undefined,
      usage: () => meter.read(),
    }
    const onRunner = (opened: ToolRunner) => {
      runner = opened
    }
    const shared = { options, tools, input, cache, record, meter, clock, createId, toolCache, canAskApproval, onRunner }
    return startRun(record, (control) => runLoop({ ...shared, control }), signal)
  }

  return {
    name: options.name ?? 'agent',
    stream: (input, runOptions = {}) => start(input, runOptions, true),
    async generate(input, runOptions = {}) {
      const run = start(input, runOptions, false)
      const [text, messages, citations, usage, finish] = await Promise.all([
        run.text,
        run.messages,
        run.citations,
        run.usage,
        run.finish,
      ])
      return { text, messages, citations, usage, finish }
    },
  }
}

/** Checks what would otherwise fail late, and gives the tools. */
function readOptions({
  model,
  tools = [],
  maxSteps = 20,
  maxParallelCalls = 5,
  toolChoice,
}: AgentOptions): readonly Tool[] {
  const isModel =
    typeof model === 'function' || typeof (model as { stream?: unknown } | undefined)?.stream === 'function'
  if (!isModel) {
    throw new AlcoveError(
      'invalid-argument',
      `createAgent: expected a ChatModel as model, got ${describeValue(model)}`,
      {
        hint: 'Give a model, or make the agent with alcove.agent(…), which has one.',
      },
    )
  }
  for (const [name, value] of Object.entries({ maxSteps, maxParallelCalls })) {
    if (!(value >= 1))
      throw new AlcoveError('invalid-argument', `createAgent: expected ${name} of at least 1, got ${value}`)
  }
  const made = tools.map((one) =>
    typeof (one as Partial<Tool>).checkInput === 'function' ? one : makeTool(one as never),
  )
  const names = made.map(({ name }) => name)
  const twice = names.find((name, at) => names.indexOf(name) !== at)
  if (twice !== undefined) throw new AlcoveError('invalid-argument', `createAgent: two tools are named '${twice}'`)
  if (typeof toolChoice === 'object' && !names.includes(toolChoice.name)) {
    throw new AlcoveError(
      'invalid-argument',
      `createAgent: toolChoice names '${toolChoice.name}', which is not among the tools`,
    )
  }
  return made
}

function describeValue(value: unknown): string {
  return value === undefined ? 'nothing' : typeof value === 'string' ? `'${value}'` : typeof value
}

function randomId(): string {
  return `call-${Math.random().toString(36).slice(2, 10)}`
}

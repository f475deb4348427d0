import type { Citation } from '../protocol/corpus.js'
import { AlcoveError } from '../protocol/error.js'
import type { Message } from '../protocol/message.js'
import type { Finish, FinishReason, Usage } from '../protocol/stream-part.js'
import { type Clock, systemClock } from '../runtime/clock.js'
import type { ToolRunner } from '../tools/run-tools.js'
import { tool as makeTool, type Tool, type ToolOptions } from '../tools/tool.js'
import type { Outcome } from '../tools/try-tool.js'
import { type Job, runLoop } from './loop.js'
import type { AgentInput, AgentOptions, AnswerObject, AnswerSchema, RunLimits } from './options.js'
import { type AgentRun, type RunControl, type RunRecord, startRun } from './run.js'
import type { RunState } from './run-state.js'
import type { RunSession, RunStart } from './session/run-session.js'
import { createUsageMeter } from './usage.js'

export type { AgentInput, AgentOptions, ModelResolver, RetrievalOptions, RunLimits, StepState } from './options.js'
export type { AgentRun } from './run.js'
export type { RunState } from './run-state.js'

export interface RunOptions<Schema extends AnswerSchema = AnswerSchema> {
  /** The conversation that the run belongs to: its history comes before the input, and it keeps what the run adds. @default none */
  readonly session?: RunSession | undefined
  /** Ends the run when it aborts. */
  readonly signal?: AbortSignal | undefined
  /**
   * `true` also keeps and replays answers that are not deterministic; `false` neither asks nor fills the answer cache. Only for agents of a
   * client. @default answers at temperature 0 or with a seed
   */
  readonly cache?: boolean | undefined
  /**
   * What the answer has to fit: a JSON Schema, or a schema of a library such as zod. The model is told, held to it where the engine can, and
   * asked once more where its answer does not fit. @default text
   */
  readonly schema?: Schema
  /** How often an answer that does not fit the schema is asked for again. @default 1 */
  readonly repairs?: number | undefined
  /** Limits of this run, beside the agent's. */
  readonly limits?: RunLimits | undefined
  /** Where a person has to be asked: `wait` for the answer, or end with the reason `paused` and a state to go on from. @default 'wait' */
  readonly onPause?: 'wait' | 'pause' | undefined
  /** For `resume` of a team that waits for what a person says: that. */
  readonly reply?: string | undefined
  /**
   * `background`: its model calls wait until nobody else wants the engine, but not for ever. Teams and agents that are tools hand it on.
   * @default the agent's
   */
  readonly priority?: AgentOptions['priority']
  /** Names of the agents that this run is a part of, outermost first. Teams and agents that are tools give it. @default none */
  readonly agentPath?: readonly string[] | undefined
  /**
   * Runs with the same id share one place among the runs that wait for an engine. Teams and agents that are tools give it: what a person asked
   * once is one run, however many agents work at it. @default an id of its own
   */
  readonly runId?: string | undefined
  /** For this run: tools beside the agent's own, and another reason to end. Teams leave it alone. */
  readonly extra?: Pick<AgentOptions, 'tools' | 'stopWhen'> | undefined
}

/** How an agent is offered to another one. */
export interface AgentToolOptions
  extends Partial<Pick<ToolOptions, 'name' | 'description' | 'needsApproval' | 'maxCalls' | 'maxParallel' | 'cache'>> {
  /** Longest time of a call. @default 600_000 */
  readonly timeoutMs?: number | undefined
}

/** A whole answer. */
export interface AgentResult<Output = undefined> {
  /** With a schema: the checked object. It is missing when the run has paused. */
  readonly object: Output
  /** When the run has paused: what `resume` goes on from. */
  readonly state: RunState | undefined
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
  /** What it is good at, for whoever chooses among agents. */
  readonly description?: string | undefined
  /** Starts a run. Never throws: what is wrong with the input comes as the run's error. */
  stream<Schema extends AnswerSchema = undefined>(
    input: AgentInput,
    options?: RunOptions<Schema>,
  ): AgentRun<AnswerObject<Schema>>
  /**
   * Runs to the end. A call that needs approval ends it with the reason `paused`, since nobody can be asked.
   * @throws AlcoveError what the run failed with; `aborted` when it was aborted; `output-invalid` without an answer that fits the schema
   */
  generate<Schema extends AnswerSchema = undefined>(
    input: AgentInput,
    options?: RunOptions<Schema>,
  ): Promise<AgentResult<AnswerObject<Schema>>>
  /**
   * Goes on with a run that waited for approvals, from what its `state` was, perhaps before a reload: asks again for the calls that wait, and
   * makes none that was made. Give the same schema, if any. Text, messages, usage and steps are those of the whole run.
   *
   * Never throws; the run fails with `version-unsupported` for a state of a newer version and with `invalid-argument` for a broken one.
   */
  resume<Schema extends AnswerSchema = undefined>(
    state: RunState,
    options?: RunOptions<Schema>,
  ): AgentRun<AnswerObject<Schema>>
  /**
   * The agent as a tool of another one, which gives it a `task` and gets its answer. What it does is told in the other's run at once, with
   * `agentPath`; its text there is `inner`.
   */
  asTool(options?: AgentToolOptions): Tool
}

/** What an agent takes from its surroundings. */
export interface AgentEnvironment {
  /** @default the system's clock */
  readonly clock?: Clock | undefined
  /** Ids for tool calls. @default random */
  readonly createId?: (() => string) | undefined
  /** Ids for runs. @default random */
  readonly createRunId?: (() => string) | undefined
}

/**
 * Creates an agent.
 *
 * @throws AlcoveError `invalid-argument` when there is no model, or an option does not fit
 */
export function createAgent(options: AgentOptions, environment: AgentEnvironment = {}): Agent {
  const execute = executeLoop(options ?? {})
  const { name = 'agent', instructions, description = instructions, memory } = options
  return agentOf({ name, description, memory }, execute, environment)
}

/** What a run of an agent does. */
export type Execute = (job: RunJob) => Promise<FinishReason>

/** The runs of an agent with these options. Throws as `createAgent` does. */
export function executeLoop(options: AgentOptions): Execute {
  const own = readOptions(options)
  const toolCache = new Map<string, Promise<Outcome>>()
  return ({ limits, extra, ...job }) => {
    const { tools = [], stopWhen } = extra ?? {}
    const { runId, priority = options.priority } = job.queueAs
    const merged: AgentOptions = {
      ...options,
      limits: { ...options.limits, ...limits },
      stopWhen: stopWhen ? (state) => stopWhen(state) || (options.stopWhen?.(state) ?? false) : options.stopWhen,
    }
    return runLoop({ ...job, queueAs: { runId, priority }, options: merged, tools: [...own, ...tools], toolCache })
  }
}

/** What a run is started with, and what it has of its surroundings. */
export type RunJob = Omit<Job, 'options' | 'tools' | 'toolCache'> & Pick<RunOptions, 'limits' | 'extra' | 'reply'>

/** Deepest nesting of agents. */
const MAX_DEPTH = 16

/** Makes an agent of what its runs do. */
export function agentOf(
  { name, description, memory }: Pick<Agent, 'name' | 'description'> & Pick<AgentOptions, 'memory'>,
  execute: Execute,
  {
    clock = systemClock,
    createId = () => randomId('call'),
    createRunId = () => randomId('run'),
  }: AgentEnvironment = {},
): Agent {
  function start(given: Pick<Job, 'input' | 'resumed' | 'canAskApproval'>, runOptions: RunOptions) {
    const { signal, session, cache, schema, repairs, limits, extra, reply, agentPath: outer = [] } = runOptions
    const queueAs = { runId: runOptions.runId ?? createRunId(), priority: runOptions.priority }
    let runner: Pick<ToolRunner, 'busyMs'> | undefined
    const meter = createUsageMeter(clock, () => runner?.busyMs ?? 0)
    const record: RunRecord = {
      text: '',
      draft: '',
      partial: '',
      messages: [],
      citations: [],
      steps: 0,
      openStep: undefined,
      object: undefined,
      wantsObject: schema !== undefined,
      state: undefined,
      usage: () => meter.read(),
    }
    const onRunner: Job['onRunner'] = (opened) => {
      runner = opened
    }
    const agentPath = [...outer, name]
    const canAskApproval = given.canAskApproval && runOptions.onPause !== 'pause'
    const own = { record, meter, clock, createId, onRunner, limits, reply, agentPath, queueAs, canAskApproval }
    const shared = { ...own, schema, repairs, cache }
    const executeWith = (begin: RunStart, control: RunControl, more: readonly Tool[] = []) => {
      const added = more.length === 0 ? extra : { ...extra, tools: [...(extra?.tools ?? []), ...more] }
      return execute({ ...shared, ...begin, control, extra: added })
    }
    const begin = async (control: RunControl) => {
      if (outer.length >= MAX_DEPTH) {
        throw new AlcoveError('limit-reached', `Agents are nested deeper than ${MAX_DEPTH}: ${outer.join(' > ')}`)
      }
      const { canAskApproval: _, ...start } = given
      if (session === undefined && !memory) return await executeWith(start, control)
      const { beginRun } = await import('./session/begin-run.js')
      return await beginRun({ session, memory, given: start, record, control, execute: executeWith })
    }
    return startRun(record, begin, signal)
  }

  const agent: Agent = {
    name,
    description,
    // The loop checks objects against the schema that their types come from.
    stream: (input, runOptions = {}) => start({ input, resumed: undefined, canAskApproval: true }, runOptions) as never,
    resume: (state, runOptions = {}) =>
      start({ input: [], resumed: { state }, canAskApproval: true }, runOptions) as never,
    async generate(input, runOptions = {}) {
      const run = start({ input, resumed: undefined, canAskApproval: false }, runOptions)
      const [object, text, messages, citations, usage, finish] = await Promise.all([
        run.object as Promise<never>,
        run.text,
        run.messages,
        run.citations,
        run.usage,
        run.finish,
      ])
      return { object, text, messages, citations, usage, finish, state: run.state }
    },
    asTool: (toolOptions) => agentTool(agent, toolOptions),
  }
  return agent
}

/** An agent as a tool. */
export function agentTool(agent: Agent, options: AgentToolOptions = {}): Tool {
  return makeTool({
    name: agent.name.replaceAll(/[^\p{L}\p{N}_.-]+/gu, '_').slice(0, 64),
    description: agent.description?.slice(0, 500) ?? '',
    timeoutMs: 600_000,
    ...options,
    input: { type: 'object', properties: { task: { type: 'string' } }, required: ['task'] },
    execute: async (input, context) =>
      (await import('./team/call-agent.js')).callAgent(agent, `${input.task}`, context),
  })
}

/** Checks what would otherwise fail late, and gives the tools. */
function readOptions({
  model,
  tools = [],
  maxSteps = 20,
  maxParallelCalls = 5,
  toolChoice,
  memory,
  sampling = {},
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
  const { stop = [] } = sampling ?? {}
  // Ranges are the engine's to check. A text instead of a list would be taken apart into letters.
  if (typeof sampling !== 'object' || !Array.isArray(stop) || stop.some((text: unknown) => typeof text !== 'string'))
    throw new AlcoveError('invalid-argument', 'createAgent: expected sampling.stop as a list of texts, in an object')
  const made = tools.map((one) =>
    typeof (one as Partial<Tool>).checkInput === 'function' ? one : makeTool(one as never),
  )
  const names = [...made.map(({ name }) => name), ...(memory ? ['remember', 'recall'] : [])]
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

function randomId(kind: string): string {
  return `${kind}-${Math.random().toString(36).slice(2, 10)}`
}

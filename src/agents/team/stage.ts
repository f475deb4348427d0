import { AlcoveError, toAlcoveError } from '../../protocol/error.js'
import type { Message } from '../../protocol/message.js'
import type { FinishReason, StreamPart, Usage } from '../../protocol/stream-part.js'
import { throwIfAborted } from '../../runtime/abort.js'
import { isChinese } from '../../text/terms.js'
import type { Agent, RunJob, RunOptions } from '../agent.js'
import type { AgentInput } from '../options.js'
import { lastUserText, readInput } from '../read-input.js'
import type { AgentRun } from '../run.js'
import { writeState } from '../run-state.js'
import { followRun, type MemberResult, type Outer } from './follow.js'
import { type Entry, Journal, openSteps } from './journal.js'
import type { Language } from './prompts.js'
import { sumUsage } from './sum-usage.js'

/** How a member is run. */
export interface MemberOptions extends Pick<RunOptions, 'schema' | 'extra'> {
  /** Whether its text, messages and citations are the team's answer. @default false */
  readonly isAnswer?: boolean | undefined
  /** What the run is stored by when the team pauses; by default the member's name and how often it ran. Needed where the order may change. */
  readonly key?: string | undefined
}

/** A member's turn. */
export interface Turn {
  readonly agent: Agent
  readonly input: AgentInput
}

/** What a person is asked. */
export interface PersonRequest {
  readonly name: string
  readonly ask: 'turn' | 'speaker'
  readonly choices?: readonly string[]
}

/**
 * What an orchestrating function works with: one run of a team.
 *
 * When the run pauses, what members said is stored; when it is resumed, the function is run again from its beginning, and what was done is
 * given at once instead of being done again. So it must do the same again when it is given the same.
 */
export interface Stage {
  readonly job: RunJob
  readonly conversation: readonly Message[]
  /** Text of the last message of the user. */
  readonly question: string
  readonly language: Language
  readonly signal: AbortSignal
  /** Tells a part of the team's own; one that was told before the run paused is not told again. */
  tell(part: StreamPart): void
  /** Runs a member and tells what it does. Throws what it failed with. */
  run(agent: Agent, input: AgentInput, options?: MemberOptions): Promise<MemberResult>
  /** Runs members at once. What they say is told in the order of the list, as part of the answer. */
  runTogether(turns: readonly Turn[]): Promise<PromiseSettledResult<MemberResult>[]>
  /** Says something as the team itself. */
  say(text: string): void
  /** The next thing that is said begins a paragraph, where something was said before. */
  separate(): void
  /** Works something out once: when the run is resumed, it is what it was. */
  remember(name: string, compute: () => string | Promise<string>): Promise<string>
  /** Adds a message to what the run gives. */
  add(message: Message): void
  /** What a person says; the run pauses until that is given. */
  askPerson(request: PersonRequest): Promise<string>
}

/** Ends an orchestrating function while a person is waited for: never to be caught for good. */
export class Paused extends Error {}

/** Whether an error ends the whole run, so that no member's failure is made of it. */
export function endsRun(error: unknown, { signal }: Stage): boolean {
  return error instanceof Paused || signal.aborted
}

/** Runs a team. */
export async function perform(
  kind: string,
  job: RunJob,
  play: (stage: Stage) => Promise<FinishReason>,
): Promise<FinishReason> {
  const stage = new RunStage(kind, job)
  const { limits, control, clock } = job
  const { wallTimeMs } = limits ?? {}
  if (wallTimeMs !== undefined) {
    const cancel = clock.setTimer(wallTimeMs, control.stopAtLimit)
    control.signal.addEventListener('abort', cancel, { once: true })
  }
  try {
    return await play(stage)
  } catch (error) {
    if (!(error instanceof Paused) || control.signal.aborted) throw error
    stage.keepState()
    return 'paused'
  }
}

const PARAGRAPH = '\n\n'

function isAnswerText(part: StreamPart): part is Extract<StreamPart, { type: 'text-delta' }> {
  return part.type === 'text-delta' && part.role !== 'draft' && !part.inner
}

/** A run of a member that has started. */
interface Started {
  readonly key: string
  readonly agent: Agent
  readonly isAnswer: boolean
  readonly done: MemberResult | undefined
  /** What it failed with before the run was stored. */
  readonly failure?: AlcoveError | undefined
  readonly run: AgentRun<unknown> | undefined
  /** What it had said before it paused. */
  readonly before: string
}

function failureOf(entry: Entry | undefined, name: string): AlcoveError | undefined {
  if (entry?.status === 'failed') return new AlcoveError(entry.error.code, entry.error.message, entry.error)
  if (entry?.status !== 'interrupted') return undefined
  return new AlcoveError('aborted', `'${name}' was interrupted`, {
    hint: 'Ask again: what it may have done is not done twice.',
  })
}

class RunStage implements Stage {
  readonly job: RunJob
  readonly conversation: readonly Message[]
  readonly question: string
  readonly language: Language
  readonly #kind: string
  readonly #journal: Journal
  readonly #outer: Outer
  readonly #usedIds = new Set<string>()
  readonly #usages = new Map<string, Usage>()
  #isSeparating = false
  #calls = 0
  #asking = 0
  #reply: string | undefined

  constructor(kind: string, job: RunJob) {
    const { record, meter, control, resumed } = job
    const journal = new Journal(kind, resumed?.state)
    this.job = job
    this.#kind = kind
    this.#journal = journal
    this.#reply = job.reply
    this.conversation = journal.conversation ?? readInput(job.input)
    this.question = lastUserText(this.conversation)
    this.language = isChinese(this.question) ? 'zh' : 'en'
    record.steps = journal.before?.steps ?? 0
    for (const [key, usage] of journal.usages()) this.#usages.set(key, usage)
    record.usage = () => sumUsage([...this.#usages.values()], meter.read(), journal.before?.usage)
    this.#outer = {
      name: job.agentPath.at(-1) ?? kind,
      emit: control.emit,
      ready: control.ready,
      askApproval: (callId) => this.#askApproval(callId),
      callId: (id) => this.#uniqueId(id),
    }
  }

  get signal(): AbortSignal {
    return this.job.control.signal
  }

  tell(part: StreamPart): void {
    if (!this.#journal.isReplaying) this.job.control.emit(part)
  }

  async run(agent: Agent, input: AgentInput, options: MemberOptions = {}): Promise<MemberResult> {
    return await this.#follow(this.#start(agent, input, options))
  }

  async runTogether(turns: readonly Turn[]): Promise<PromiseSettledResult<MemberResult>[]> {
    const started = turns.map(({ agent, input }) => this.#start(agent, input, { isAnswer: true }))
    // What is told later runs on by itself until then; its unread deltas are merged.
    for (const { run } of started.slice(1)) void run?.finish
    const results: PromiseSettledResult<MemberResult>[] = []
    for (const one of started) {
      this.separate()
      results.push(
        await this.#follow(one).then(
          (value) => ({ status: 'fulfilled', value }) as const,
          (reason: unknown) => ({ status: 'rejected', reason }) as const,
        ),
      )
    }
    for (const result of results) if (result.status === 'rejected' && endsRun(result.reason, this)) throw result.reason
    return results
  }

  say(text: string): void {
    const { record, meter } = this.job
    record.text += text
    record.partial += text
    meter.markToken()
    this.tell({ type: 'text-delta', text })
  }

  separate(): void {
    this.#isSeparating = this.job.record.text !== ''
  }

  async remember(name: string, compute: () => string | Promise<string>): Promise<string> {
    const key = this.#journal.keyOf(name)
    const entry = this.#journal.get(key)
    if (entry?.status === 'said') return entry.text
    const text = await compute()
    this.#journal.set(key, { status: 'said', text })
    return text
  }

  add(message: Message): void {
    this.job.record.messages.push(message)
    this.job.record.partial = ''
  }

  async askPerson({ name, ask, choices }: PersonRequest): Promise<string> {
    const key = this.#journal.keyOf(`person ${name}`)
    const entry = this.#journal.get(key)
    if (entry?.status === 'said') return entry.text
    if (entry?.status === 'asked' && this.#reply !== undefined) {
      const text = this.#reply
      this.#reply = undefined
      this.#journal.set(key, { status: 'said', text })
      return text
    }
    this.#journal.set(key, { status: 'asked' })
    const input = choices ? { ask, choices } : { ask }
    this.job.control.emit({ type: 'approval-request', callId: key, name, input, ask })
    throw new Paused(`'${name}' is to speak`)
  }

  /** Makes the run's state available. */
  keepState(): void {
    const { record } = this.job
    record.state = () => {
      const { text, draft, messages, citations, steps } = record
      return writeState({
        conversation: this.conversation,
        messages: [...messages],
        step: { message: { role: 'assistant', content: '' }, calls: [] },
        ...{ text, draft, citations: [...citations], steps, toolCalls: this.#calls, invalidSteps: 0 },
        usage: record.usage(),
        team: { kind: this.#kind, entries: this.#journal.write() },
      })
    }
  }

  #start(agent: Agent, input: AgentInput, { key, isAnswer = false, schema, extra }: MemberOptions): Started {
    const { agentPath, queueAs, canAskApproval, cache, record, repairs } = this.job
    throwIfAborted(this.signal)
    const place = key ?? this.#journal.keyOf(agent.name)
    const entry = this.#journal.get(place)
    const started = { key: place, agent, isAnswer, before: '' }
    if (entry?.status === 'done') return { ...started, done: entry.result, run: undefined }
    const failure = failureOf(entry, agent.name)
    if (failure) return { ...started, failure, done: undefined, run: undefined }
    const state = entry?.status === 'paused' ? entry.state : undefined
    const reply = state?.team && this.#reply
    if (reply !== undefined) this.#reply = undefined
    const onPause = canAskApproval ? 'wait' : 'pause'
    const options = {
      signal: this.signal,
      onPause,
      agentPath,
      ...queueAs,
      cache,
      schema,
      extra,
      reply,
      repairs: isAnswer ? repairs : undefined,
    } as const
    const run = (state ? agent.resume(state, options) : agent.stream(input, options)) as AgentRun<unknown>
    this.#journal.follow(place, run)
    if (state) record.steps -= openSteps(state)
    return { ...started, done: undefined, run, before: state?.text ?? '' }
  }

  async #follow({ key, agent, isAnswer, done, failure, run, before }: Started): Promise<MemberResult> {
    const { record } = this.job
    const { name } = agent
    if (run === undefined) {
      if (done === undefined) throw failure ?? new AlcoveError('internal', `'${name}' has no result`)
      if (isAnswer && done.text !== '') this.#endParagraph(false)
      if (isAnswer) record.text += done.text
      if (isAnswer) record.citations.push(...done.citations)
      return this.#take(done, name, isAnswer)
    }
    if (isAnswer && before !== '') this.#endParagraph(false)
    const textStart = isAnswer ? record.text.length + (this.#isSeparating ? PARAGRAPH.length : 0) : 0
    if (isAnswer) record.text += before
    const emit = (part: StreamPart) => {
      if (isAnswer && isAnswerText(part)) this.#endParagraph(true)
      this.#outer.emit(part)
    }
    const onPart = (part: StreamPart) => this.#note(part, isAnswer)
    let result: MemberResult
    try {
      result = await followRun(run, { ...this.#outer, emit }, { name, isAnswer, textStart, onPart })
    } catch (error) {
      const { code, message, hint, retryable } = toAlcoveError(error, 'internal')
      this.#journal.set(key, { status: 'failed', error: { code, message, hint, retryable } })
      throw error
    }
    if (result.finish.reason === 'paused' && result.state) {
      this.#journal.set(key, { status: 'paused', state: result.state })
      throw new Paused(`'${name}' waits for a person`)
    }
    const whole = before === '' ? result : { ...result, text: before + result.text }
    this.#journal.set(key, { status: 'done', result: whole })
    if (whole.usage) this.#usages.set(key, whole.usage)
    this.#checkTokens()
    return this.#take(whole, name, isAnswer)
  }

  #take(result: MemberResult, name: string, isAnswer: boolean): MemberResult {
    const { record } = this.job
    if (!isAnswer) return result
    for (const message of result.messages) {
      record.messages.push(message.role === 'assistant' && message.name === undefined ? { ...message, name } : message)
    }
    record.partial = ''
    if (result.object !== undefined) record.object = { value: result.object }
    return result
  }

  #note(part: StreamPart, isAnswer: boolean): void {
    const { record, meter, limits, control } = this.job
    if (part.type === 'step-start') record.steps++
    if (part.type === 'text-delta' || part.type === 'reasoning-delta' || part.type === 'tool-input-delta')
      meter.markToken()
    if (part.type === 'tool-call') {
      if (++this.#calls > (limits?.toolCalls ?? Number.POSITIVE_INFINITY)) control.stopAtLimit()
    }
    if (!isAnswer) return
    if (part.type === 'text-delta' && part.role === 'draft') record.draft += part.text
    else if (isAnswerText(part)) {
      record.text += part.text
      record.partial += part.text
    } else if (part.type === 'citation') {
      const { type: _type, agentPath: _path, ...citation } = part
      record.citations.push(citation)
    }
  }

  #endParagraph(isTold: boolean): void {
    if (!this.#isSeparating) return
    this.#isSeparating = false
    this.job.record.text += PARAGRAPH
    if (isTold) this.job.control.emit({ type: 'text-delta', text: PARAGRAPH })
  }

  #checkTokens(): void {
    const { limits, record, control } = this.job
    if (record.usage().totalTokens < (limits?.totalTokens ?? Number.POSITIVE_INFINITY)) return
    control.stopAtLimit()
    throwIfAborted(this.signal)
  }

  async #askApproval(callId: string) {
    const { control, record } = this.job
    this.#asking++
    this.keepState()
    const answer = await control.askApproval(callId)
    if (--this.#asking === 0 && !this.signal.aborted) record.state = undefined
    return answer
  }

  #uniqueId(id: string): string {
    let unique = id
    for (let at = 2; this.#usedIds.has(unique); at++) unique = `${id}-${at}`
    this.#usedIds.add(unique)
    return unique
  }
}

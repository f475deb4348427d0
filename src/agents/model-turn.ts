import type { Citation } from '../protocol/corpus.js'
import type { MessagePart } from '../protocol/message.js'
import type { ChatModel, ModelFinishReason, ModelPart, ModelRequest, ModelUsage } from '../protocol/model.js'
import { abortable } from '../runtime/abort.js'
import type { Call } from '../tools/run-tools.js'
import { notePrefill } from './context/prefill-rate.js'
import type { Dialect, DialectParser } from './dialect/dialect.js'
import type { Job } from './loop.js'

/** What the model said in one call. */
export interface ModelTurn {
  readonly text: string
  /** Where `text` begins in all the text-deltas of the run, drafts included, in UTF-16 code units. */
  readonly textStart: number
  /** Reasoning, text and calls, in order. */
  readonly parts: readonly MessagePart[]
  readonly calls: readonly Call[]
  /** Citations that the model itself gave. */
  readonly citations: readonly Citation[]
  readonly reason: ModelFinishReason
}

interface TurnOptions {
  readonly dialect: Dialect | undefined
  readonly isDraft: boolean
  /** Starts a call; undefined where calls are not wanted: they are left out then. */
  readonly onCall: ((call: Call) => Promise<void>) | undefined
  /** Told of the first text. */
  readonly onText: () => void
  /** Call ids of the conversation so far. */
  readonly usedIds: Set<string>
}

/** After so many parts other tasks of this thread have their turn: a model that is always ready, as from a cache, must not starve them. */
const PARTS_AT_ONCE = 256

/** One call of the model: its parts go to the reader as they come, its tool calls start at once. */
export async function callModel(
  job: Job,
  model: ChatModel,
  request: ModelRequest,
  options: TurnOptions,
): Promise<ModelTurn> {
  const { control, meter, queueAs } = job
  const turn = new TurnReader(job, options)
  const stop = request.sampling?.stop?.some((text) => text !== '') ? await openStop(request.sampling.stop) : undefined
  const reader = model.stream({ ...request, ...queueAs }, { signal: control.signal }).getReader()
  let reason: ModelFinishReason = 'stop'
  let usage: ModelUsage | undefined
  meter.startCall()
  try {
    for (let parts = 1; ; parts++) {
      if (parts % PARTS_AT_ONCE === 0) await yieldToTasks()
      await control.ready()
      const { done, value: part } = await abortable(reader.read(), control.signal)
      if (done || turn.isOver) break
      if (part.type === 'model-usage') usage = part.usage
      else if (part.type === 'model-finish') reason = part.reason
      else if (part.type !== 'text-delta' || stop === undefined) await turn.take(part)
      else {
        const { text, stopped } = stop.push(part.text)
        await turn.take({ type: 'text-delta', text })
        if (!stopped) continue
        reason = 'stop'
        break
      }
    }
  } finally {
    void reader.cancel().catch(() => {})
  }
  if (stop) await turn.take({ type: 'text-delta', text: stop.flush() })
  await turn.end(reason)
  meter.addModelUsage(usage ?? (await estimateUsage(model, request, turn.text)))
  if (usage) notePrefill(model, usage)
  return turn.result(reason)
}

async function yieldToTasks(): Promise<void> {
  const { scheduler } = globalThis as { scheduler?: { yield?(): Promise<void> } }
  await (scheduler?.yield?.() ?? new Promise((resolve) => setTimeout(resolve)))
}

async function openStop(stop: readonly string[]) {
  const { createStopCutter } = await import('../engines/stop-words.js')
  return createStopCutter(stop)
}

async function estimateUsage(model: ChatModel, request: ModelRequest, text: string): Promise<ModelUsage> {
  const completionTokens = Math.ceil(new TextEncoder().encode(text).length / 4)
  return { promptTokens: await model.countTokens(request), completionTokens }
}

/** Collects a turn while its parts pass by. */
class TurnReader {
  readonly #job: Job
  readonly #options: TurnOptions
  readonly #parser: DialectParser | undefined
  readonly #ids = new Map<string, string>()
  readonly #parts: MessagePart[] = []
  readonly #calls: Call[] = []
  readonly #citations: Citation[] = []
  readonly #textStart: number
  readonly #made = new Set<string>()
  text = ''
  /** Whether the model only repeats itself: what it goes on to write does not count. */
  isOver = false

  constructor(job: Job, options: TurnOptions) {
    this.#job = job
    this.#options = options
    this.#parser = options.dialect?.createParser({
      createId: job.createId,
      toolNames: job.tools.map(({ name }) => name),
    })
    this.#textStart = job.record.text.length + job.record.draft.length
  }

  async take(part: Exclude<ModelPart, { type: 'model-usage' | 'model-finish' }>): Promise<void> {
    if (part.type === 'text-delta' && this.#parser) {
      for (const event of this.#parser.push(part.text)) await this.#handle(event)
    } else {
      await this.#handle(part)
    }
  }

  async end(reason: ModelFinishReason): Promise<void> {
    for (const event of this.#parser?.end(reason) ?? []) await this.#handle(event)
  }

  result(reason: ModelFinishReason): ModelTurn {
    return {
      text: this.text,
      textStart: this.#textStart,
      parts: this.#parts,
      calls: this.#calls,
      citations: this.#citations,
      reason,
    }
  }

  /** Calls that are written as text: a small model repeats them without end. */
  #isRepeated({ name, input }: Call): boolean {
    const key = JSON.stringify([name, input])
    this.isOver ||= this.#parser !== undefined && this.#made.has(key)
    this.#made.add(key)
    return this.isOver
  }

  async #handle(part: Exclude<ModelPart, { type: 'model-usage' | 'model-finish' }>): Promise<void> {
    if (this.isOver) return
    const { control, meter, record } = this.#job
    meter.setLoading(part.type === 'status' && part.status === 'loading')
    if (part.type === 'status') {
      control.emit(part)
      return
    }
    if (part.type === 'citation') {
      this.#citations.push(part)
      return
    }
    if ('text' in part && part.text === '') return
    meter.markToken()
    if (part.type === 'text-delta') {
      const { isDraft, onText } = this.#options
      if (this.text === '') onText()
      this.text += part.text
      if (isDraft) {
        record.draft += part.text
      } else {
        record.text += part.text
        record.partial += part.text
      }
      this.#append({ type: 'text', text: part.text })
      control.emit(isDraft ? { ...part, role: 'draft' } : { type: 'text-delta', text: part.text })
    } else if (part.type === 'reasoning-delta') {
      this.#append({ type: 'reasoning', text: part.text })
      control.emit(part)
    } else if (this.#options.onCall !== undefined) {
      const named = { ...part, callId: this.#uniqueId(part.callId) }
      if (named.type === 'tool-call') {
        this.#ids.delete(part.callId)
        if (this.#isRepeated(named)) return
      }
      control.emit(named)
      if (named.type === 'tool-call') await this.#call(named)
    }
  }

  async #call({ callId, name, input }: Call): Promise<void> {
    this.#parts.push({ type: 'tool-call', callId, name, input })
    this.#calls.push({ callId, name, input })
    await this.#options.onCall?.({ callId, name, input })
  }

  /** Texts that follow each other are one part. */
  #append(part: { readonly type: 'text' | 'reasoning'; readonly text: string }): void {
    const last = this.#parts.at(-1)
    if (last?.type === part.type) this.#parts[this.#parts.length - 1] = { ...part, text: last.text + part.text }
    else this.#parts.push(part)
  }

  /** The model's id for a call, or another one where it is missing or was used before. */
  #uniqueId(id: string): string {
    const known = this.#ids.get(id)
    if (known !== undefined) return known
    const unique = id === '' || this.#options.usedIds.has(id) ? this.#job.createId() : id
    this.#ids.set(id, unique)
    this.#options.usedIds.add(unique)
    return unique
  }
}

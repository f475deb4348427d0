import { AlcoveError } from '../../protocol/error.js'
import type { Message, MessagePart } from '../../protocol/message.js'
import type { ChatModel, ModelRequest } from '../../protocol/model.js'
import { abortable } from '../../runtime/abort.js'
import type { Documents } from '../documents.js'
import { loadModel } from '../load-model.js'
import type { Job } from '../loop.js'
import { estimateTokens } from '../passages.js'
import { openRunMemory, type RunMemory } from './chat-memory.js'
import { budgetOf, type ContextOptions, type ContextSettings } from './context-options.js'
import { findFirstFit, firstWithin } from './first-fit.js'
import { fitInTime } from './fit-in-time.js'
import { costOf, requestCost } from './message-cost.js'
import { tokensInTime } from './prefill-rate.js'
import { mostTokens } from './token-bound.js'
import { ledgerOf, type TokenLedger } from './token-ledger.js'
import {
  type ConversationState,
  joinConversation,
  smallerForms,
  splitConversation,
  withoutOldTurns,
} from './trim-stages.js'

export interface FitOptions {
  readonly job: Job
  readonly model: ChatModel
  readonly settings: ContextSettings
  /** Trimmed in place. */
  readonly conversation: Message[]
  readonly documents: Documents | undefined
  /** The request for these messages and this many of the best passages. @param passages default all */
  write(messages: readonly Message[], passages?: number): ModelRequest
}

/** A conversation that is so many times the budget is not counted whole to know that it is too long. */
const HUGE_SHARE = 4
/** Trimming goes down to this share of the budget, so that it is rare and the engine can reuse what it has read. */
const TARGET_SHARE = 0.6
const SUMMARY_TOKENS = 256

/**
 * The request of a step, within the model's context and the time that there is to read it. What had to give way is gone from the conversation and
 * the documents too, and reported.
 *
 * @throws AlcoveError `context-overflow` when what must stay does not fit
 */
export async function fitRequest(options: FitOptions): Promise<ModelRequest> {
  const { job, model, settings, conversation, documents } = options
  // The one object that all runs of an agent, and no others, share.
  const memory = openRunMemory(job.toolCache, conversation)
  const fitter = new Fitter(options, memory)
  if (memory.isFirst) {
    const { leftOut } = memory
    if (leftOut.length > 0) fitter.report({ messages: leftOut.length, tokens: costOf(leftOut) }, 'earlier')
    fitter.cutToTime()
  }
  const finish = (request: ModelRequest) => {
    memory.save(documents?.retrieved)
    fitter.ledger.noteSent(request)
    return request
  }
  const request = fitter.write(conversation)
  if (model.isLoaded !== undefined && mostTokens(request) <= fitter.budgetFor(request)) return finish(request)
  if (model.isLoaded === false) await loadModel(job, model)
  // Known only now, for a model that has just been loaded.
  fitter.budget = budgetOf(settings, model.contextTokens)
  const tokens = await abortable(fitter.measure(request), job.control.signal)
  return finish(tokens <= fitter.budgetFor(request) ? request : await fitter.trim(request, tokens))
}

class Fitter {
  readonly ledger: TokenLedger
  budget: number
  readonly #options: FitOptions
  readonly #memory: RunMemory
  readonly #context: ContextOptions
  readonly #pin: (message: Message) => boolean

  constructor(options: FitOptions, memory: RunMemory) {
    const { model, settings } = options
    this.#options = options
    this.#memory = memory
    this.#context = settings.context ?? {}
    const { pin = () => false } = this.#context
    // It is not the last user message when the run itself asks for the answer again.
    this.#pin = (message) => message === memory.question || pin(message)
    this.ledger = ledgerOf(model)
    this.budget = budgetOf(settings, model.contextTokens)
  }

  write(messages: readonly Message[], passages?: number): ModelRequest {
    return this.#options.write(this.#memory.withRetrieved(messages), passages)
  }

  /** What the model may count in a request: its images are counted here where the model does not. */
  budgetFor({ messages }: ModelRequest): number {
    const { imageTokens = 0 } = this.#context
    return imageTokens === 0 ? this.budget : this.budget - imageTokens * countImages(messages)
  }

  /** Tokens of the whole request: exact or more where it fits, about so many where it is far too long. */
  async measure(request: ModelRequest): Promise<number> {
    const budget = this.budgetFor(request)
    const cost = requestCost(request)
    const tokens = cost > HUGE_SHARE * budget ? cost * (await this.#tokensPerCost()) : 0
    return tokens > budget * 2 ? Math.round(tokens) : await this.ledger.measure(request, budget)
  }

  /** Tokens by cost, from as much of the conversation as is likely to stay. */
  async #tokensPerCost(): Promise<number> {
    const { conversation } = this.#options
    const forms = withoutOldTurns(splitConversation(conversation, 0), this.#pin)
    const form = firstWithin(forms, (state) => costOf(joinConversation(state)) <= this.budget * TARGET_SHARE)
    if (form === undefined) return 0
    const request = this.write(joinConversation(form), 0)
    return (await this.ledger.count(request)) / requestCost(request)
  }

  cutToTime(): void {
    const { model, conversation, documents } = this.#options
    const limit = tokensInTime(model, this.#context.targetFirstTokenMs)
    if (limit === Number.POSITIVE_INFINITY) return
    const newTokens = (messages: readonly Message[], passages?: number) => {
      const request = this.write(messages, passages)
      return requestCost(request, this.ledger.messagesRead(request)) * this.ledger.tokensPerCost
    }
    const before = {
      messages: conversation.length,
      tokens: newTokens(conversation),
      passages: documents?.passages.length ?? 0,
    }
    const messages = fitInTime({ messages: conversation, documents, pin: this.#pin, tokensInTime: limit, newTokens })
    if (messages.length < conversation.length) this.#replace(messages)
    const tokens = Math.round(before.tokens - newTokens(conversation))
    if (tokens <= 0) return
    const passages = before.passages - (documents?.passages.length ?? 0)
    this.report({ messages: before.messages - messages.length, passages, tokens }, 'time')
  }

  /** @param tokens what the whole request has */
  async trim(request: ModelRequest, tokens: number): Promise<ModelRequest> {
    const { conversation, documents } = this.#options
    const passages = documents?.passages.length ?? 0
    const fitted = await this.#findFit(request, tokens, passages)
    const summed = await this.#summarise(fitted.state)
    const { state, tokens: left } = summed ?? fitted
    const messages = joinConversation(state)
    const dropped = conversation.length - joinConversation(fitted.state).length
    this.#replace(messages)
    documents?.keep(state.passages)
    const trimmed = this.write(messages, state.passages)
    this.ledger.remember(trimmed, left)
    const cut = { messages: dropped, passages: passages - state.passages, tokens: tokens - left }
    this.report(cut, summed ? 'summed up' : 'context')
    return trimmed
  }

  async #findFit(request: ModelRequest, tokens: number, passages: number) {
    const { conversation, documents, job } = this.#options
    const passageCosts = (documents?.passages ?? []).map(({ rank, text }) => ({ rank, cost: estimateTokens(text) }))
    const costOfState = (state: ConversationState) =>
      passageCosts.reduce((sum, { rank, cost }) => (rank < state.passages ? sum + cost : sum), 0) +
      costOf(this.#memory.withRetrieved(joinConversation(state)))
    const whole = splitConversation(conversation, passages)
    const items = [...smallerForms(whole, this.#pin)]
    const known = { cost: costOfState(whole), tokens, tokensPerCost: tokens / Math.max(1, requestCost(request)) }
    const withoutHistory = items.find(({ isHistory }) => !isHistory)
    const least = withoutHistory ? tokens - known.tokensPerCost * (known.cost - costOfState(withoutHistory.state)) : 0
    const target = this.#target(least)
    let smallest = tokens
    const fitted = await findFirstFit({
      items,
      cost: ({ state }) => costOfState(state),
      limit: ({ isHistory }) => (isHistory ? target : this.budget),
      count: async ({ state }) => {
        const counted = await abortable(
          this.#count(this.write(joinConversation(state), state.passages)),
          job.control.signal,
        )
        smallest = Math.min(smallest, counted)
        return counted
      },
      known,
    })
    if (fitted) return { state: fitted.item.state, tokens: fitted.tokens }
    throw overflow(this.budget, smallest)
  }

  /** What history is cut down to. Where the rest takes most of the budget, the room that is left is shared out. @param least tokens without history */
  #target(least: number): number {
    const usual = this.budget * TARGET_SHARE - summaryTokens(this.#context.summarise, this.budget)
    return Math.floor(least < usual ? usual : Math.min(this.budget, least + (this.budget - least) / 2))
  }

  async #count(request: ModelRequest): Promise<number> {
    return (await this.ledger.count(request)) + this.budget - this.budgetFor(request)
  }

  /** The same with a summary of the old turns that it lacks, where one is wanted and fits. */
  async #summarise(state: ConversationState) {
    const { conversation, job, model } = this.#options
    const { summarise } = this.#context
    const maxTokens = summaryTokens(summarise, this.budget)
    const kept = new Set(state.turns.flat())
    const dropped = splitConversation(conversation, 0)
      .turns.flat()
      .filter((message) => !kept.has(message))
    if (!summarise || maxTokens === 0 || dropped.length === 0) return undefined
    const summary = summarise === true ? {} : summarise
    const { tokensPerCost } = this.ledger
    const { summariseTurns } = await import('./summarise.js')
    const turn = await summariseTurns(job, model, dropped, { maxTokens, summary, tokensPerCost })
    if (turn === undefined) return undefined
    const longer = { ...state, turns: [turn, ...state.turns] }
    const tokens = await abortable(
      this.#count(this.write(joinConversation(longer), longer.passages)),
      job.control.signal,
    )
    return tokens <= this.budget ? { state: longer, tokens } : undefined
  }

  #replace(messages: readonly Message[]): void {
    const { conversation } = this.#options
    conversation.splice(0, conversation.length, ...messages)
    this.#memory.noteCut()
  }

  report(cut: Cut, reason: keyof typeof REASONS): void {
    const { messages, passages = 0, tokens } = cut
    const what = [plural(messages, 'message'), plural(passages, 'passage')].filter(Boolean).join(' and ')
    const message = `Left out ${what ? `${what}, ` : ''}${tokens} tokens ${REASONS[reason]}`
    const counts = { droppedMessages: messages, droppedTokens: tokens, droppedPassages: passages }
    this.#options.job.control.emit({ type: 'context-trimmed', ...counts, message })
  }
}

/** Most tokens of a summary within a budget; 0: none is wanted. */
function summaryTokens(summarise: ContextOptions['summarise'], budget: number): number {
  if (!summarise) return 0
  const { maxTokens = SUMMARY_TOKENS } = summarise === true ? {} : summarise
  return Math.min(maxTokens, Math.floor(budget / 5))
}

/** What was left out. */
interface Cut {
  readonly messages: number
  readonly passages?: number
  readonly tokens: number
}

const REASONS = {
  context: 'that did not fit the model’s context',
  'summed up': 'that did not fit the model’s context; a summary took their place',
  time: 'that the model could not have read in time',
  earlier: 'that did not fit earlier in this chat',
} as const

function plural(count: number, noun: string): string {
  return count === 0 ? '' : `${count} ${noun}${count === 1 ? '' : 's'}`
}

/** Images, also in the results of tools. */
function countImages(messages: readonly Message[]): number {
  let count = 0
  const look = (_: string, value: unknown): unknown => {
    if ((value as Partial<MessagePart> | null)?.type !== 'image') return value
    count++
    return undefined
  }
  for (const { content } of messages) if (typeof content !== 'string') JSON.stringify(content, look)
  return count
}

function overflow(budgetTokens: number, tokens: number): AlcoveError {
  return new AlcoveError(
    'context-overflow',
    `The input does not fit: expected at most ${budgetTokens} tokens, got ${tokens} without anything that can be left out`,
    {
      hint: 'Shorten the question, the instructions or the tools’ descriptions, pin less, or take a model with a longer context.',
      details: { budgetTokens, tokens },
    },
  )
}

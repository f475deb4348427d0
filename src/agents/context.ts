import { AlcoveError } from '../protocol/error.js'
import type { Message, MessagePart } from '../protocol/message.js'
import type { ChatModel, ModelRequest } from '../protocol/model.js'

export interface TrimOptions {
  readonly messages: readonly Message[]
  /** Number of retrieved passages in the prompt. */
  readonly passages: number
  /** The request for these messages and this many of the best passages. */
  write(messages: readonly Message[], passages: number): ModelRequest
  readonly model: ChatModel
  /** Most tokens that the request may have. */
  readonly budget: number
  /** Tokens that it has now. */
  readonly tokens: number
}

export interface Trimmed {
  readonly messages: readonly Message[]
  readonly passages: number
  readonly request: ModelRequest
  readonly report: { readonly droppedMessages: number; readonly droppedTokens: number; readonly message: string }
}

/** Trimming goes down to this share of the budget, so that it is rare and the engine can reuse what it has read. */
const TARGET_SHARE = 0.6
/** Tool results are shrunk to about so many characters before they are dropped. */
const SHRUNK_CHARACTERS = [4000, 1000, 250]
const DROPPED = '[removed to save space]'

/** Messages that belong together: a user's turn with what followed, or within the last turn a step with its results. */
type Group = readonly Message[]

/**
 * Makes a request fit. What gives way, in order: old turns, results of old steps (shrunk, then dropped), old steps, passages (the worst first),
 * results of the last step, and at last the middle of the longest texts of the last turn but the user's. System messages and the last user message stay as they are, and a call is never
 * separated from its result.
 *
 * @throws AlcoveError `context-overflow` when what must stay does not fit
 */
export async function trimToBudget(options: TrimOptions): Promise<Trimmed> {
  const { model, budget } = options
  const count = async (candidate: State) => await model.countTokens(options.write(join(candidate), candidate.passages))
  let state: State = split(options.messages, options.passages)
  let tokens = options.tokens
  for (const { candidates, limit } of stages(Math.floor(budget * TARGET_SHARE), budget)) {
    if (tokens <= limit) break
    const found = await firstThatFits(candidates(state), limit, count)
    if (found === undefined || found.tokens >= tokens) continue
    state = found.state
    tokens = found.tokens
  }
  if (tokens <= budget) return result(options, state, options.tokens - tokens)
  throw new AlcoveError(
    'context-overflow',
    `The input does not fit: expected at most ${budget} tokens, got ${tokens}`,
    {
      details: { budgetTokens: budget, tokens },
    },
  )
}

interface State {
  readonly system: Group
  readonly turns: readonly Group[]
  /** The last user message, and messages of the same turn before the first step. */
  readonly question: Group
  readonly steps: readonly Group[]
  readonly passages: number
}

function split(messages: readonly Message[], passages: number): State {
  const system = messages.filter(({ role }) => role === 'system')
  const rest = messages.filter(({ role }) => role !== 'system')
  const last = rest.findLastIndex(({ role }) => role === 'user')
  return {
    system,
    turns: group(rest.slice(0, Math.max(0, last)), 'user'),
    question: last < 0 ? [] : [rest[last] as Message],
    steps: group(rest.slice(last + 1), 'assistant'),
    passages,
  }
}

/** Groups that begin at each message of a role. */
function group(messages: readonly Message[], role: Message['role']): Group[] {
  const groups: Message[][] = []
  for (const message of messages) {
    const last = groups.at(-1)
    if (last === undefined || message.role === role) groups.push([message])
    else last.push(message)
  }
  return groups
}

function join({ system, turns, question, steps }: State): Message[] {
  return [...system, ...turns.flat(), ...question, ...steps.flat()]
}

interface Stage {
  /** Ever smaller states; the first that fits is taken, or the last. */
  candidates(state: State): readonly State[]
  readonly limit: number
}

function stages(target: number, budget: number): Stage[] {
  const isOldStep = (at: number, { steps }: State) => at < steps.length - 1
  const isLastStep = (at: number, { steps }: State) => at === steps.length - 1
  return [
    {
      limit: target,
      candidates: (state) => state.turns.map((_, at) => ({ ...state, turns: state.turns.slice(at + 1) })),
    },
    { limit: target, candidates: (state) => shrunkResults(state, (at) => isOldStep(at, state)) },
    {
      limit: target,
      candidates: (state) => state.steps.slice(1).map((_, at) => ({ ...state, steps: state.steps.slice(at + 1) })),
    },
    { limit: budget, candidates: fewerPassages },
    { limit: budget, candidates: (state) => shrunkResults(state, (at) => isLastStep(at, state)) },
    { limit: budget, candidates: shorterSteps },
    { limit: budget, candidates: (state) => (state.steps.length > 0 ? [{ ...state, steps: [] }] : []) },
  ]
}

/** The first that fits, else the last. By bisection: counting a long request is not free. */
async function firstThatFits(
  candidates: readonly State[],
  limit: number,
  count: (state: State) => Promise<number>,
): Promise<{ readonly state: State; readonly tokens: number } | undefined> {
  let low = 0
  let high = candidates.length - 1
  while (low < high) {
    const middle = (low + high) >> 1
    const candidate = candidates[middle]
    if (candidate !== undefined && (await count(candidate)) <= limit) high = middle
    else low = middle + 1
  }
  const state = candidates[low]
  return state && { state, tokens: await count(state) }
}

function shrunkResults(state: State, applies: (at: number) => boolean): State[] {
  const shrinkAll = (shrink: (part: MessagePart) => MessagePart): State => ({
    ...state,
    steps: state.steps.map((step, at) => (applies(at) ? step.map((message) => mapParts(message, shrink)) : step)),
  })
  const results = state.steps.some((step, at) => applies(at) && step.some(({ role }) => role === 'tool'))
  if (!results) return []
  return [
    ...SHRUNK_CHARACTERS.map((characters) => shrinkAll((part) => shrinkResult(part, characters))),
    shrinkAll((part) => (part.type === 'tool-result' ? { ...part, output: DROPPED } : part)),
  ]
}

function fewerPassages(state: State): State[] {
  return Array.from({ length: state.passages }, (_, at) => ({ ...state, passages: state.passages - at - 1 }))
}

/** Texts and inputs of the last steps, cut in the middle. */
function shorterSteps(state: State): State[] {
  if (state.steps.length === 0) return []
  return SHRUNK_CHARACTERS.map((characters) => ({
    ...state,
    steps: state.steps.map((step) =>
      step.map((message) =>
        typeof message.content === 'string'
          ? { ...message, content: cutMiddle(message.content, characters) }
          : mapParts(message, (part) =>
              part.type === 'text' ? { ...part, text: cutMiddle(part.text, characters) } : part,
            ),
      ),
    ),
  }))
}

function mapParts(message: Message, change: (part: MessagePart) => MessagePart): Message {
  return typeof message.content === 'string' ? message : { ...message, content: message.content.map(change) }
}

function shrinkResult(part: MessagePart, characters: number): MessagePart {
  if (part.type !== 'tool-result') return part
  const text = typeof part.output === 'string' ? part.output : (JSON.stringify(part.output) ?? 'null')
  return text.length <= characters ? part : { ...part, output: cutMiddle(text, characters) }
}

function cutMiddle(text: string, characters: number): string {
  if (text.length <= characters) return text
  const half = Math.floor(characters / 2)
  return `${text.slice(0, half)}\n[… ${text.length - 2 * half} characters removed …]\n${text.slice(-half)}`
}

function result({ messages, write }: TrimOptions, state: State, droppedTokens: number): Trimmed {
  const kept = join(state)
  const droppedMessages = messages.length - kept.length
  const message = `Left out ${droppedMessages} messages and ${droppedTokens} tokens that did not fit the model's context`
  const { passages } = state
  return {
    messages: kept,
    passages,
    request: write(kept, passages),
    report: { droppedMessages, droppedTokens, message },
  }
}

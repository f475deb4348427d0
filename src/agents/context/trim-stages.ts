import type { Message, MessagePart } from '../../protocol/message.js'
import { mediaText, replaceMedia } from '../../tools/output.js'
import { outputText } from '../dialect/history.js'

/** Messages that belong together: a user's turn with what followed, or within the last turn a step with its results. */
type Group = readonly Message[]

/** A conversation by what gives way. */
export interface ConversationState {
  readonly system: Group
  readonly turns: readonly Group[]
  /** The last user message. */
  readonly question: Group
  readonly steps: readonly Group[]
  /** How many of the best passages are in the prompt. */
  readonly passages: number
}

/** A smaller form of a conversation. */
export interface Candidate {
  readonly state: ConversationState
  /** Whether only history had to give way; such a form should leave room for what comes. */
  readonly isHistory: boolean
}

/** Tool results and texts are shrunk to about so many characters before they are dropped. */
const SHRUNK_CHARACTERS = [4000, 1000, 250]
const DROPPED = '[removed to save space]'

type Pin = (message: Message) => boolean

/** Takes a conversation apart. */
export function splitConversation(messages: readonly Message[], passages: number): ConversationState {
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

/** A conversation in its order. */
export function joinConversation({ system, turns, question, steps }: ConversationState): Message[] {
  return [...system, ...turns.flat(), ...question, ...steps.flat()]
}

/**
 * Ever smaller forms of a conversation. What gives way, in order: old turns, results of old steps (shrunk in the middle, then dropped), old
 * steps, passages (the worst first), results of the last step, the longest texts of the last turn, and at last its steps. System messages, the
 * last user message and what is pinned stay as they are, and a call is never separated from its result.
 */
export function* smallerForms(whole: ConversationState, pin: Pin): Generator<Candidate> {
  let state = whole
  const take = (change: Partial<ConversationState>, isHistory: boolean): Candidate => {
    state = { ...state, ...change }
    return { state, isHistory }
  }
  for (const turns of withoutFirst(whole.turns, pin)) yield take({ turns }, true)
  const old = whole.steps.slice(0, -1)
  const last = whole.steps.slice(-1)
  const isPinned = (step: Group) => step.some(pin)
  if (old.some((step) => hasResults(step) && !isPinned(step))) {
    for (const shrink of RESULT_SHRINKERS) {
      yield take({ steps: [...old.map((step) => (isPinned(step) ? step : step.map(shrink))), ...last] }, true)
    }
  }
  for (const steps of withoutFirst(state.steps.slice(0, -1), pin)) yield take({ steps: [...steps, ...last] }, true)
  // The same again where room for what comes is no longer asked for.
  yield take({}, false)
  for (let passages = whole.passages - 1; passages >= 0; passages--) yield take({ passages }, false)
  yield* smallerLastStep(state, pin)
}

function* smallerLastStep(whole: ConversationState, pin: Pin): Generator<Candidate> {
  const kept = whole.steps.slice(0, -1)
  let step: Group = whole.steps.at(-1) ?? []
  if (step.length === 0 || step.some(pin)) return
  const take = (change: (message: Message) => Message): Candidate => {
    step = step.map(change)
    return { state: { ...whole, steps: [...kept, step] }, isHistory: false }
  }
  if (hasResults(step)) for (const shrink of RESULT_SHRINKERS) yield take(shrink)
  for (const characters of SHRUNK_CHARACTERS) yield take((message) => shortenMessage(message, characters))
  yield { state: { ...whole, steps: kept }, isHistory: false }
}

/** A conversation with fewer and fewer of its old turns. */
export function withoutOldTurns(whole: ConversationState, pin: Pin): ConversationState[] {
  return [...withoutFirst(whole.turns, pin)].map((turns) => ({ ...whole, turns }))
}

/** Less and less of the first groups: of those only what is pinned. */
function* withoutFirst(groups: readonly Group[], pin: Pin): Generator<readonly Group[]> {
  const kept: Group[] = []
  for (const [at, one] of groups.entries()) {
    const pinned = group(one, 'assistant', 'user')
      .filter((unit) => unit.some(pin))
      .flat()
    if (pinned.length > 0) kept.push(pinned)
    if (pinned.length < one.length) yield [...kept, ...groups.slice(at + 1)]
  }
}

/** Groups that begin at each message of these roles. */
function group(messages: readonly Message[], ...roles: readonly Message['role'][]): Group[] {
  const groups: Message[][] = []
  for (const message of messages) {
    const last = groups.at(-1)
    if (last === undefined || roles.includes(message.role)) groups.push([message])
    else last.push(message)
  }
  return groups
}

function hasResults(messages: Group): boolean {
  return messages.some(({ role }) => role === 'tool')
}

const RESULT_SHRINKERS = [
  ...SHRUNK_CHARACTERS.map(
    (characters) => (message: Message) => mapParts(message, (part) => shrinkResult(part, characters)),
  ),
  (message: Message) =>
    mapParts(message, (part) => (part.type === 'tool-result' ? { ...part, output: DROPPED } : part)),
]

function shrinkResult(part: MessagePart, characters: number): MessagePart {
  if (part.type !== 'tool-result') return part
  const text = outputText(replaceMedia(part.output, mediaText))
  return text.length <= characters ? part : { ...part, output: cutMiddle(text, characters) }
}

/** Texts, and texts in the inputs of calls, cut in the middle. */
function shortenMessage(message: Message, characters: number): Message {
  if (typeof message.content === 'string') return { ...message, content: cutMiddle(message.content, characters) }
  return mapParts(message, (part) => {
    if (part.type === 'text') return { ...part, text: cutMiddle(part.text, characters) }
    return part.type === 'tool-call' ? { ...part, input: shortenValue(part.input, characters) } : part
  })
}

function shortenValue(value: unknown, characters: number): unknown {
  const text = JSON.stringify(value) ?? ''
  if (text.length <= characters) return value
  if (typeof value === 'string') return cutMiddle(value, characters)
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map((item) => shortenValue(item, characters))
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, shortenValue(item, characters)]))
}

function mapParts(message: Message, change: (part: MessagePart) => MessagePart): Message {
  return typeof message.content === 'string' ? message : { ...message, content: message.content.map(change) }
}

/** The beginning and the end of a text, with what is missing between; no character is cut in two. */
export function cutMiddle(text: string, characters: number): string {
  if (text.length <= characters) return text
  const half = Math.floor(characters / 2)
  const start = text.slice(0, half).replace(/[\ud800-\udbff]$/, '')
  const end = text.slice(-half).replace(/^[\udc00-\udfff]/, '')
  return `${start}\n[… ${text.length - start.length - end.length} characters removed …]\n${end}`
}

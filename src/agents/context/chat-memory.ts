import type { Message } from '../../protocol/message.js'
import { partsOf } from '../dialect/history.js'
import { commonStart } from '../same-message.js'

/**
 * What a run's prompt takes over from the chat's earlier runs, so that it begins like the last one and the engine need not read it again: old
 * turns that were left out stay left out, and the passages of old questions stay where they were.
 */
export interface RunMemory {
  /** Whether this is the run's first request. */
  readonly isFirst: boolean
  /** The user message that the run answers. */
  readonly question: Message | undefined
  /** Messages that earlier runs of the chat have left out. */
  readonly leftOut: readonly Message[]
  /** The messages, those of old questions with their passages. */
  withRetrieved(messages: readonly Message[]): readonly Message[]
  /** The conversation now stands for all that was said so far. */
  noteCut(): void
  /** The request is written. @param retrieved text before the question in it */
  save(retrieved: string | undefined): void
}

/** One chat as its last run left it. */
interface Chat {
  /** All that was said, as callers have it. */
  readonly source: readonly Message[]
  /** How many messages of `source` the messages in `kept` stand for. */
  readonly cut: number
  readonly kept: readonly Message[]
  /** Text that was put before user messages, by their place in `source`. */
  readonly retrieved: ReadonlyMap<number, string>
}

/** Chats that an agent holds at the same time, such as its sessions; of others the prompt is made anew. */
const MAX_CHATS = 8

const chatsOf = new WeakMap<object, Chat[]>()
const runs = new WeakMap<readonly Message[], RunMemoryState>()

/**
 * What is remembered for a run.
 *
 * @param agent whose chats these are: any object that stays the same from run to run
 * @param conversation the run's own list; what earlier runs left out is removed from it
 */
export function openRunMemory(agent: object, conversation: Message[]): RunMemory {
  const known = runs.get(conversation)
  if (known) {
    known.proceed()
    return known
  }
  const chats = chatsOf.get(agent) ?? []
  chatsOf.set(agent, chats)
  const memory = new RunMemoryState(chats, conversation)
  runs.set(conversation, memory)
  return memory
}

class RunMemoryState implements RunMemory {
  readonly #chats: Chat[]
  readonly #conversation: Message[]
  readonly #source: Message[]
  readonly #retrieved = new Map<number, string>()
  readonly #expanded = new Map<Message, Message>()
  readonly question: Message | undefined
  readonly leftOut: readonly Message[]
  /** Its place in `#source`. */
  readonly #asked: number
  #saved: Chat | undefined
  #cut = 0
  #kept: readonly Message[] = []
  /** Messages of the conversation that `#source` has already. */
  #seen: number
  isFirst = true

  constructor(chats: Chat[], conversation: Message[]) {
    this.#chats = chats
    this.#conversation = conversation
    this.#source = [...conversation]
    const { chat, common } = nearest(chats, conversation)
    this.#asked = conversation.findLastIndex(({ role }) => role === 'user')
    this.question = conversation[this.#asked]
    const usable = Math.min(common, this.#asked)
    const canTakeCut = chat !== undefined && chat.cut > 0 && chat.cut <= usable
    // The chat's own objects, so that what is known of each is found again.
    if (chat) this.#source.splice(0, usable, ...chat.source.slice(0, usable))
    for (const [at, text] of chat?.retrieved ?? []) if (at < usable) this.#remember(at, text)
    if (canTakeCut) {
      this.#cut = chat.cut
      this.#kept = chat.kept
    }
    const shown = canTakeCut ? [...chat.kept, ...this.#source.slice(chat.cut)] : this.#source
    const kept = new Set(shown)
    this.leftOut = canTakeCut ? this.#source.filter((message) => !kept.has(message)) : []
    conversation.splice(0, conversation.length, ...shown)
    this.#seen = conversation.length
  }

  proceed(): void {
    this.isFirst = false
    this.#source.push(...this.#conversation.slice(this.#seen))
    this.#seen = this.#conversation.length
  }

  withRetrieved(messages: readonly Message[]): readonly Message[] {
    if (this.#expanded.size === 0) return messages
    return messages.map((message) => this.#expanded.get(message) ?? message)
  }

  noteCut(): void {
    this.#cut = this.#source.length
    this.#kept = [...this.#conversation]
    this.#seen = this.#conversation.length
  }

  save(retrieved: string | undefined): void {
    const all = new Map(this.#retrieved)
    if (retrieved !== undefined) all.set(this.#asked, retrieved)
    const before = this.#chats.findIndex((chat) => chat === this.#saved || isContinued(chat, this.#source))
    if (before >= 0) this.#chats.splice(before, 1)
    this.#saved = undefined
    if (all.size === 0 && this.#cut === 0) return
    this.#saved = { source: [...this.#source], cut: this.#cut, kept: this.#kept, retrieved: all }
    this.#chats.unshift(this.#saved)
    this.#chats.length = Math.min(this.#chats.length, MAX_CHATS)
  }

  #remember(at: number, text: string): void {
    const message = this.#source[at]
    if (message === undefined) return
    this.#retrieved.set(at, text)
    this.#expanded.set(message, { ...message, content: [{ type: 'text', text }, ...partsOf(message)] })
  }
}

function nearest(chats: readonly Chat[], conversation: readonly Message[]) {
  let found: { chat: Chat | undefined; common: number } = { chat: undefined, common: 0 }
  for (const chat of chats) {
    const common = commonStart(chat.source, conversation)
    if (common > found.common) found = { chat, common }
  }
  return found
}

/** Whether a conversation goes on where a chat ended. */
function isContinued(chat: Chat, source: readonly Message[]): boolean {
  return chat.source.length <= source.length && commonStart(chat.source, source) === chat.source.length
}

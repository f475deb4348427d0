import type { Message } from '../../protocol/message.js'
import type { Usage } from '../../protocol/stream-part.js'
import type { StepCall } from '../../tools/run-tools.js'
import { checkMessages } from '../read-input.js'
import type { RunState } from '../run-state.js'

/** Version of the rows in the store. */
export const ROW_VERSION = 1

/** What a person decides of a session. Key `s/<session>`. */
export interface SessionRow {
  readonly version: number
  readonly id: string
  readonly createdAt: number
  /** Missing: the first line of the first question stands for it. */
  readonly title?: string
}

/** How far a session is. Key `h/<session>`. Written together with the messages that it counts. */
export interface HeadRow {
  /** Last message of the branch that is shown. */
  readonly head: string | null
  readonly updatedAt: number
  readonly firstLine: string
  /** Of all branches. */
  readonly messageCount: number
  readonly bytes: number
}

/** A message, once and for all. Key `m/<session>/<message>`; keys ascend in order of time. */
export interface MessageRow {
  readonly id: string
  /** The message that it follows. */
  readonly parent: string | null
  readonly at: number
  readonly message: Message
}

/** A run that has not ended, as far as it is. Key `r/<session>/<run>`. */
export interface RunRow {
  readonly id: string
  readonly at: number
  /** Last message that it found, with its question. */
  readonly base: string | null
  /** Last message that it added; `base` before the first. */
  readonly tail: string | null
  /** How many messages of the run stand between `base` and `tail`. */
  readonly stored: number
  /** Text of the open step. */
  readonly partial: string
  /** Text of all steps. */
  readonly text: string
  readonly draft: string
  readonly steps: number
  /** Calls of the open step. */
  readonly calls: readonly StepCall[]
  readonly toolCalls: number
  readonly usage: Usage
  /** While calls wait for a person. */
  readonly state?: RunState
}

export const sessionKey = (session: string): string => `s/${session}`
export const headKey = (session: string): string => `h/${session}`
export const messagePrefix = (session: string): string => `m/${session}/`
export const runPrefix = (session: string): string => `r/${session}/`

export const emptyHead: HeadRow = { head: null, updatedAt: 0, firstLine: '', messageCount: 0, bytes: 0 }

/** Whether what was read is a session of a version that is known. */
export function isSessionRow(value: unknown): value is SessionRow {
  const { id, version, createdAt, title } = (value ?? {}) as Partial<Record<keyof SessionRow, unknown>>
  const isTitle = title === undefined || typeof title === 'string'
  return typeof id === 'string' && typeof version === 'number' && typeof createdAt === 'number' && isTitle
}

/** Whether what was read is a whole message. */
export function isMessageRow(value: unknown): value is MessageRow {
  const { id, parent, at, message } = (value ?? {}) as Partial<Record<keyof MessageRow, unknown>>
  if (typeof id !== 'string' || typeof at !== 'number' || !(parent === null || typeof parent === 'string')) return false
  try {
    checkMessages([message as Message], 'session')
    return true
  } catch {
    return false
  }
}

/** Whether what was read is a run that can be gone on with. */
export function isRunRow(value: unknown): value is RunRow {
  const row = (value ?? {}) as Partial<Record<keyof RunRow, unknown>>
  const texts = [row.id, row.partial, row.text, row.draft]
  const counts = [row.at, row.stored, row.steps, row.toolCalls]
  return (
    texts.every((text) => typeof text === 'string') &&
    counts.every((count) => Number.isFinite(count)) &&
    Array.isArray(row.calls) &&
    typeof row.usage === 'object'
  )
}

/**
 * The messages that lead to `head`, first one first. Where a row is lost, it goes on with the newest message that is older.
 *
 * @param rows all messages of a session, in order of time
 */
export function readBranch(rows: readonly MessageRow[], head: string | null): MessageRow[] {
  const places = new Map(rows.map((row) => [row.id, row]))
  const branch: MessageRow[] = []
  const seen = new Set<string>()
  for (let id = head; id !== null; ) {
    const wanted: string = id
    const row = places.get(wanted) ?? rows.findLast((other) => other.id < wanted && !seen.has(other.id))
    // A damaged row must lead to no loop.
    if (row === undefined || seen.has(row.id)) break
    seen.add(row.id)
    branch.push(row)
    id = row.parent
  }
  return branch.reverse()
}

/** The first line of the first question, for a title: at most 80 characters. */
export function firstLineOf(messages: readonly Message[]): string {
  for (const { role, content } of messages) {
    if (role !== 'user') continue
    const text = textOf(content)
    const line = text.split(/\r?\n/).find((each) => each.trim() !== '')
    if (line !== undefined) return shorten(line)
  }
  return ''
}

/** One line of at most 80 characters. */
export function shorten(text: string): string {
  const characters = [...text.slice(0, 400).replaceAll(/\s+/g, ' ').trim()]
  return characters.length <= 80 ? characters.join('') : `${characters.slice(0, 79).join('').trimEnd()}…`
}

/** What is to be read of a message's content. */
export function textOf(content: Message['content']): string {
  if (typeof content === 'string') return content
  return content.flatMap((part) => (part.type === 'text' ? [part.text] : [])).join('\n')
}

/** An id that comes after those that were made before it, also on another tab whose clock agrees. */
export function createTimedId(at: number): string {
  lastAt = Math.max(lastAt + 1, at * 32)
  const random = crypto.getRandomValues(new Uint32Array(1))[0] ?? 0
  return `${lastAt.toString(36).padStart(10, '0')}-${random.toString(36).padStart(7, '0')}`
}

/** In 32nds of a millisecond. */
let lastAt = 0

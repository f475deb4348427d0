import type { Message } from '../../protocol/message.js'
import type { ErrorInfo, Usage } from '../../protocol/stream-part.js'
import { checkMessages } from '../read-input.js'
import type { AgentRun } from '../run.js'
import { broken, isRecord, type RunState, readVersion } from '../run-state.js'
import type { MemberResult } from './follow.js'

/** What came of one thing that a team did. Plain data. */
export type Entry =
  | { readonly status: 'done'; readonly result: MemberResult }
  | { readonly status: 'paused'; readonly state: RunState }
  | { readonly status: 'failed'; readonly error: ErrorInfo }
  /** It was running: what it may have done is not done again. */
  | { readonly status: 'interrupted' }
  | { readonly status: 'asked' }
  | { readonly status: 'said'; readonly text: string }

const STATUSES = new Set<unknown>(['done', 'paused', 'failed', 'interrupted', 'asked', 'said'])
/** More than any team does. */
const MAX_ENTRIES = 100_000

/** What a team has done, by keys that are the same when it is done again. */
export class Journal {
  /** Of the run that is resumed. */
  readonly before: RunState | undefined
  readonly #entries = new Map<string, Entry>()
  readonly #counts = new Map<string, number>()
  readonly #live = new Map<string, AgentRun<unknown>>()
  /** Stored entries that were not asked for yet. */
  readonly #unread = new Set<string>()

  /** Throws `version-unsupported` for a state of a newer version and `invalid-argument` for one that is broken, or another team's. */
  constructor(kind: string, given: unknown) {
    if (given === undefined) return
    this.before = readTeamState(kind, given)
    for (const [key, entry] of this.before.team?.entries ?? []) {
      this.#entries.set(key, entry as Entry)
      this.#unread.add(key)
    }
  }

  get conversation(): readonly Message[] | undefined {
    return this.before?.conversation
  }

  /** Whether something that was stored is still to come, so that what is said now was said before. */
  get isReplaying(): boolean {
    return this.#unread.size > 0
  }

  /** The next key of a name. */
  keyOf(name: string): string {
    const count = (this.#counts.get(name) ?? 0) + 1
    this.#counts.set(name, count)
    return `${name} ${count}`
  }

  get(key: string): Entry | undefined {
    this.#unread.delete(key)
    return this.#entries.get(key)
  }

  set(key: string, entry: Entry): void {
    this.#live.delete(key)
    this.#entries.set(key, entry)
  }

  /** A run that is under way; its state is asked for when the team's is. */
  follow(key: string, run: AgentRun<unknown>): void {
    this.#live.set(key, run)
  }

  *usages(): Generator<readonly [string, Usage]> {
    for (const [key, entry] of this.#entries) {
      if (entry.status === 'done' && entry.result.usage) yield [key, entry.result.usage]
    }
  }

  write(): (readonly [string, Entry])[] {
    const entries = new Map(this.#entries)
    for (const [key, { state }] of this.#live) {
      entries.set(key, state ? { status: 'paused', state } : { status: 'interrupted' })
    }
    return [...entries]
  }
}

/** Number of steps in a paused run that are told again when it goes on. */
export function openSteps({ team }: RunState): number {
  if (team === undefined) return 1
  const paused = team.entries.flatMap(([, entry]) => {
    const { status, state } = entry as { readonly status?: unknown; readonly state?: RunState }
    return status === 'paused' && isRecord(state) ? [state as RunState] : []
  })
  return paused.reduce((sum, state) => sum + openSteps(state), 0)
}

function readTeamState(kind: string, given: unknown): RunState {
  const state = readVersion(given)
  const { team, conversation, usage, steps } = state
  if (!isRecord(team) || !Array.isArray(team.entries)) throw broken('expected the state of a team', team)
  if (team.kind !== kind) throw broken(`expected a team of kind '${kind}', not '${String(team.kind)}'`, team)
  if (!Array.isArray(conversation)) throw broken('conversation', conversation)
  checkMessages(conversation, 'resume')
  if (!isRecord(usage)) throw broken('usage', usage)
  if (!Number.isSafeInteger(steps) || Number(steps) < 0) throw broken('steps', steps)
  if (team.entries.length > MAX_ENTRIES) throw broken('team.entries', team.entries)
  for (const pair of team.entries) {
    const [key, entry] = Array.isArray(pair) ? pair : []
    if (typeof key !== 'string' || !isRecord(entry) || !isEntry(entry)) throw broken('team.entries', entry)
  }
  return given as RunState
}

function isEntry(entry: Record<string, unknown>): boolean {
  const { status, result, state, text, error } = entry
  if (!STATUSES.has(status)) return false
  if (status === 'said') return typeof text === 'string'
  if (status === 'paused') return isRecord(state)
  if (status === 'failed') return isRecord(error) && typeof error.code === 'string'
  if (status !== 'done') return true
  if (!isRecord(result) || typeof result.text !== 'string' || !isRecord(result.finish)) return false
  if (!Array.isArray(result.messages) || !Array.isArray(result.citations)) return false
  checkMessages(result.messages, 'resume')
  return result.usage === undefined || isRecord(result.usage)
}

import { AlcoveError } from '../../protocol/error.js'
import type { ModelTask } from '../../protocol/model.js'

/** What a model has to be, where the client may choose one (`'auto'` or a list). A model that is named is taken as it is. */
export interface ModelConstraints {
  /** Largest download, in bytes, also one that somebody would agree to. @default none: consent decides */
  readonly maxDownloadBytes?: number | undefined
  /** Memory that it may take, in bytes. @default a share of what the browser tells of the device */
  readonly maxMemoryBytes?: number | undefined
  /** Context that it must have here, in tokens. @default 1024 */
  readonly minContextTokens?: number | undefined
  /** Context that it needs no more than: a shorter one takes less memory. @default the model's usual one */
  readonly maxContextTokens?: number | undefined
  /** ISO 639-1 codes of languages that it must serve. @default none; models of the page's language go first */
  readonly languages?: readonly string[] | undefined
  /** What it is wanted for: `load` then makes this one ready only. @default all tasks; for an agent, what its run needs */
  readonly task?: ModelTask | undefined
  /** `false`: models on a server (`http:`) are passed over. @default true */
  readonly allowRemote?: boolean | undefined
  /** Longest time to read a prompt of 512 tokens, where the device's speed is known, in milliseconds. @default 60_000 */
  readonly maxFirstTokenMs?: number | undefined
}

const AMOUNTS = [
  'maxDownloadBytes',
  'maxMemoryBytes',
  'minContextTokens',
  'maxContextTokens',
  'maxFirstTokenMs',
] as const
const TASKS: readonly unknown[] = ['chat', 'documents', 'tools', 'embedding']

/**
 * Checks the name of a task.
 * @throws AlcoveError `invalid-argument`
 */
export function checkTask(where: string, task: unknown): void {
  if (TASKS.includes(task)) return
  throw new AlcoveError('invalid-argument', `${where}: expected a task of ${TASKS.join(', ')}, got ${String(task)}`)
}

/**
 * Checks constraints.
 * @param where what they were given to, for the message
 * @throws AlcoveError `invalid-argument` that names the field
 */
export function readConstraints(where: string, given: ModelConstraints | undefined): ModelConstraints {
  const fail = (name: string, expected: string, got: unknown): never => {
    throw new AlcoveError(
      'invalid-argument',
      `${where}: constraints${name} must be ${expected}, got ${JSON.stringify(got) ?? String(got)}`,
    )
  }
  if (given === undefined) return {}
  if (typeof given !== 'object' || given === null) fail('', 'an object', given)
  for (const name of AMOUNTS) {
    const value: unknown = given[name]
    if (value !== undefined && !(typeof value === 'number' && value >= 0)) fail(`.${name}`, 'a number from 0', value)
  }
  const { languages, task, allowRemote } = given
  if (
    languages !== undefined &&
    !(Array.isArray(languages) && languages.every((code) => /^[a-z]{2,3}\b/i.test(code)))
  ) {
    fail('.languages', "a list of language codes such as 'en'", languages)
  }
  if (task !== undefined && !TASKS.includes(task)) fail('.task', `one of ${TASKS.join(', ')}`, task)
  if (allowRemote !== undefined && typeof allowRemote !== 'boolean') fail('.allowRemote', 'true or false', allowRemote)
  return given
}

import { AlcoveError } from '../../protocol/error.js'
import type { Store } from '../../store/store.js'
import { type Tool, tool } from '../tool.js'

/** As much of a store as notes need. */
export type NoteStore = Pick<Store, 'get' | 'write' | 'keys'>

export interface NotesToolOptions {
  /** @default 'notes' */
  readonly name?: string | undefined
  /** Most notes that are kept. @default 500 */
  readonly maxNotes?: number | undefined
  /** Most characters of a note. @default 4_000 */
  readonly maxCharacters?: number | undefined
  /** Whether a person must agree to a call. @default false */
  readonly needsApproval?: boolean | ((input: Readonly<Record<string, unknown>>) => boolean) | undefined
}

const PREFIX = 'note:'
const MAX_KEY = 100
/** Most names that a listing gives. */
const MAX_LISTED = 100

/**
 * A tool for notes that last: named texts that the model writes, reads, lists and deletes.
 *
 * @param store where they are kept, or the name of a database in IndexedDB (memory where that cannot be used)
 */
export function notesTool(store: NoteStore | string = 'alcove-notes', options: NotesToolOptions = {}): Tool {
  const { name = 'notes', maxNotes = 500, maxCharacters = 4000, needsApproval = false } = options
  let opened: Promise<NoteStore> | undefined
  async function open(): Promise<NoteStore> {
    if (typeof store !== 'string') return store
    const { openStore } = await import('../../store/idb-store.js')
    return await openStore(store)
  }
  return tool({
    name,
    description: 'Keeps notes for later. Write a note under a short key, read it, list all keys, or delete one.',
    input: {
      type: 'object',
      properties: {
        action: { enum: ['write', 'read', 'list', 'delete'] },
        key: { type: 'string', minLength: 1, maxLength: MAX_KEY, description: 'Name of the note' },
        text: { type: 'string', maxLength: maxCharacters, description: 'What to write' },
      },
      required: ['action'],
      additionalProperties: false,
    },
    // Two writes at once could both take the last place.
    maxParallel: 1,
    needsApproval,
    async execute({ action, key, text }) {
      opened ??= open()
      const notes = await opened
      if (action === 'list') return await listNotes(notes)
      if (typeof key !== 'string') throw new AlcoveError('invalid-argument', `To ${action} a note, give its key.`)
      if (action === 'read') return await readNote(notes, key)
      if (action === 'delete') return await deleteNote(notes, key)
      if (typeof text !== 'string') throw new AlcoveError('invalid-argument', 'To write a note, give its text.')
      const keys = await notes.keys(PREFIX)
      if (keys.length >= maxNotes && !keys.includes(PREFIX + key)) {
        throw new AlcoveError('limit-reached', `There are ${keys.length} notes already: delete one first.`)
      }
      await notes.write({ set: [[PREFIX + key, text]] })
      return { written: key }
    },
  })
}

async function listNotes(notes: NoteStore): Promise<unknown> {
  const keys = await notes.keys(PREFIX)
  const shown = keys.slice(0, MAX_LISTED).map((key) => key.slice(PREFIX.length))
  return keys.length > MAX_LISTED ? { keys: shown, total: keys.length } : { keys: shown }
}

async function readNote(notes: NoteStore, key: string): Promise<unknown> {
  const text = await notes.get<string>(PREFIX + key)
  if (text !== undefined) return { key, text }
  const { keys } = (await listNotes(notes)) as { keys: readonly string[] }
  throw new AlcoveError('not-found', `There is no note '${key}'. There are: ${keys.slice(0, 20).join(', ') || 'none'}.`)
}

async function deleteNote(notes: NoteStore, key: string): Promise<unknown> {
  const isThere = (await notes.get(PREFIX + key)) !== undefined
  if (isThere) await notes.write({ delete: [PREFIX + key] })
  return { deleted: isThere }
}

import { AlcoveError } from '../../protocol/error.js'
import type { Message } from '../../protocol/message.js'
import { throwIfAborted } from '../../runtime/abort.js'
import type { Store } from '../../store/store.js'
import { isMessageRow, type MessageRow, textOf } from './session-rows.js'
import type { SessionHit, SessionSearchOptions, SessionSummary } from './sessions.js'

/** Messages that are read at one go; between them others have their turn. */
const PAGE_ROWS = 400
const MAX_WORDS = 16
// biome-ignore lint/suspicious/noControlCharactersInRegex: the range is what ASCII is.
const isAscii = /^[\x00-\x7f]*$/
const MAX_MATCHES = 3
/** Characters of an excerpt before and after the word. */
const AROUND = 60

/** What is searched. */
export interface SearchedSessions {
  readonly store: Store
  /** Those that were used last come first. */
  readonly sessions: readonly SessionSummary[]
}

/** What is known of one session. */
interface Found {
  readonly words: Set<string>
  readonly matches: { readonly messageId: string; readonly excerpt: string; readonly words: number }[]
  /** Words in messages, repeated ones repeated. */
  count: number
}

/**
 * Sessions that have all words of the query in their title and messages together. A plain scan: the messages of a person's chats are few
 * enough to be read faster than an index over them could be kept true over several tabs.
 *
 * A title counts most, then how many of the words stand in one message; of equal ones the newer comes first.
 *
 * @throws AlcoveError `invalid-argument` for a query without a letter or digit
 */
export async function searchSessions(
  { store, sessions }: SearchedSessions,
  query: string,
  { limit = 20, signal }: SessionSearchOptions = {},
): Promise<SessionHit[]> {
  const words = wordsOf(query)
  if (words.length === 0) {
    throw new AlcoveError('invalid-argument', 'sessions.search: expected some words, got none')
  }
  const found = new Map<string, Found>(sessions.map(({ id }) => [id, { words: new Set(), matches: [], count: 0 }]))
  for (let after: string | undefined; ; ) {
    throwIfAborted(signal)
    const page = await store.entries<unknown>('m/', { after, limit: PAGE_ROWS })
    for (const [key, row] of page) {
      const own = found.get(key.slice(2, key.indexOf('/', 2)))
      if (own && isMessageRow(row)) look(row, words, own)
    }
    after = page.at(-1)?.[0]
    if (page.length < PAGE_ROWS) break
  }
  const hits = sessions.flatMap((session) => {
    const own = found.get(session.id)
    const title = fold(session.title)
    const inTitle = words.filter((word) => title.includes(word))
    if (!own || !words.every((word) => own.words.has(word) || inTitle.includes(word))) return []
    const best = Math.max(0, ...own.matches.map((match) => match.words))
    const score = inTitle.length * 10 + best * 3 + Math.log1p(own.count)
    const matches = [...own.matches].map(({ messageId, excerpt }) => ({ messageId, excerpt }))
    return [{ score, hit: { ...session, matches } }]
  })
  hits.sort((first, second) => second.score - first.score)
  return hits.slice(0, limit).map(({ hit }) => hit)
}

/** Notes which words stand in a message. */
function look({ id, message }: MessageRow, words: readonly string[], found: Found): void {
  const text = searchedText(message)
  if (text === '') return
  const folded = fold(text)
  const here = words.filter((word) => folded.includes(word))
  const [first] = here
  if (first === undefined) return
  for (const word of here) found.words.add(word)
  found.count += here.length
  const match = { messageId: id, excerpt: excerptAt(text, folded, first), words: here.length }
  if (found.matches.length < MAX_MATCHES) {
    found.matches.push(match)
    return
  }
  const weakest = found.matches.findIndex((other) => other.words < match.words)
  if (weakest < 0) return
  found.matches.splice(weakest, 1)
  found.matches.push(match)
}

/** What people and models said; neither instructions nor what tools gave. */
function searchedText({ role, content }: Message): string {
  return role === 'user' || role === 'assistant' ? textOf(content) : ''
}

/** Words of a query; scripts without spaces between words stay whole. */
function wordsOf(query: string): string[] {
  const words = fold(query.slice(0, 1_000)).match(/[\p{L}\p{N}\p{M}]+/gu) ?? []
  return [...new Set(words)].slice(0, MAX_WORDS)
}

/** Without capitals and accents. */
function fold(text: string): string {
  // Most texts have nothing to decompose, which takes ten times as long.
  if (isAscii.test(text)) return text.toLowerCase()
  return text
    .normalize('NFKD')
    .replaceAll(/\p{Mn}/gu, '')
    .toLowerCase()
}

function excerptAt(text: string, folded: string, word: string): string {
  const at = placeIn(text, folded.indexOf(word), folded.length)
  const start = Math.max(0, at - AROUND)
  const end = Math.min(text.length, at + word.length + AROUND)
  const piece = withoutHalves(text.slice(start, end)).replaceAll(/\s+/g, ' ')
  return `${start > 0 ? '…' : ''}${piece.trim()}${end < text.length ? '…' : ''}`
}

/** Where in a text a place of its folded form is. */
function placeIn(text: string, place: number, foldedLength: number): number {
  if (text.length === foldedLength) return place
  let at = 0
  for (let length = 0; at < text.length && length < place; at++) length += fold(text[at] ?? '').length
  return at
}

/** A cut may have gone through a surrogate pair. */
function withoutHalves(text: string): string {
  return text.replace(/^[\uDC00-\uDFFF]/, '').replace(/[\uD800-\uDBFF]$/, '')
}

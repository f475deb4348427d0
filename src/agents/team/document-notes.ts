import type { Corpus, Hit, Source, Span } from '../../protocol/corpus.js'
import { findQuote } from '../../text/quote-check.js'
import { estimateTokens } from '../passages.js'
import { line } from './members.js'

/** What a reader found in a part. */
export interface Note {
  readonly part: Hit
  readonly answer: string
  /** Where the quote stands in the document; undefined when it is not in the part. */
  readonly span: Span | undefined
}

const MAX_NOTES = 40
/** How far around a quote a passage reaches, in UTF-16 code units. */
const REACH = 400

/** A reader's answer; undefined when the part does not help. */
export function readNote(object: unknown, part: Hit): Note | undefined {
  const { relevant, answer, quote } = (object ?? {}) as Record<string, unknown>
  if (relevant !== true || typeof answer !== 'string') return undefined
  const found = typeof quote === 'string' ? findQuote(quote, part.text) : undefined
  if (answer.trim() === '' && !found) return undefined
  const span: Span | undefined = found && [part.span[0] + found[0], part.span[0] + found[1]]
  return { part, answer: line(answer, 600), span }
}

/** What was noted of a part that has the same text. */
export function noteFor(part: Hit, { part: read, answer, span }: Note): Note {
  const by = part.span[0] - read.span[0]
  return { part, answer, span: span && [span[0] + by, span[1] + by] }
}

/** Notes whose quotes are in the documents first. */
function ordered(notes: readonly Note[]): Note[] {
  return [...notes.filter(({ span }) => span), ...notes.filter(({ span }) => !span)].slice(0, MAX_NOTES)
}

/** Notes for a prompt, as many as fit. */
export function notesText(notes: readonly Note[], budgetTokens: number): string {
  const lines: string[] = []
  let left = budgetTokens
  for (const { part, answer } of ordered(notes)) {
    const text = `- (${line(part.source.title, 80)}) ${answer}`
    left -= estimateTokens(text)
    if (left < 0 && lines.length > 0) break
    lines.push(text)
  }
  return lines.join('\n')
}

/** The passages that the notes are from, with their pages and headings, best first. */
export async function hitsOf(corpus: Corpus, notes: readonly Note[], signal: AbortSignal): Promise<Hit[]> {
  return await Promise.all(
    ordered(notes).map(async ({ part, span: quote }, place) => {
      const span = quote ? around(part, quote) : part.span
      const text = part.text.slice(span[0] - part.span[0], span[1] - part.span[0])
      const source = quote ? await sourceOf(corpus, part, quote, signal) : part.source
      return { id: `${part.source.id}#${span[0]}`, text, score: MAX_NOTES - place, ranks: {}, source, span }
    }),
  )
}

/** The lines around a quote, within its part. */
function around({ text, span }: Hit, [from, to]: Span): Span {
  const start = from - span[0]
  const end = to - span[0]
  const before = text.slice(Math.max(0, start - REACH), start)
  const after = text.slice(end, end + REACH)
  const lineStart = before.lastIndexOf('\n') + 1
  const lineEnd = after.indexOf('\n')
  // Without a line's end in reach, at a space: no word is cut.
  const head = lineStart > 0 || start <= REACH ? lineStart : before.indexOf(' ') + 1
  const tail = lineEnd >= 0 ? lineEnd : after.length < REACH ? after.length : Math.max(0, after.lastIndexOf(' '))
  return [from - (before.length - head), to + tail]
}

/** Page and headings are known to the search alone. */
async function sourceOf(corpus: Corpus, part: Hit, [start, end]: Span, signal: AbortSignal): Promise<Source> {
  const quote = part.text.slice(start - part.span[0], end - part.span[0]).slice(0, 300)
  try {
    const hits = await corpus.search(quote, { topK: 5, mode: 'keyword', signal })
    const same = hits.find(({ source, span }) => source.id === part.source.id && span[0] <= start && start < span[1])
    return same?.source ?? part.source
  } catch {
    // The passage is right without them.
    return part.source
  }
}

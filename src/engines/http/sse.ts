import { AlcoveError } from '../../protocol/error.js'

export interface SseLimits {
  /** Longest line, in UTF-16 code units. @default 1_000_000 */
  readonly maxLine?: number | undefined
  /** Longest data of one event, likewise. @default 4_000_000 */
  readonly maxEvent?: number | undefined
}

/** One event of a stream. */
export interface SseEvent {
  /** @default 'message' */
  readonly event: string
  readonly data: string
}

export interface SseParser {
  /** The events that end in this piece. Bytes may be cut anywhere, also inside a character. */
  push(bytes: Uint8Array): SseEvent[]
  /** The event that the stream ended in the middle of: some servers leave out the last empty line. */
  end(): SseEvent[]
  /** What the last whole event with an `id` said; for `Last-Event-ID`. */
  readonly lastEventId: string | undefined
  /** How long the server asks to wait before the stream is opened again, in milliseconds. */
  readonly retryMs: number | undefined
}

/**
 * An incremental parser of server-sent events (WHATWG HTML, 9.2.6): UTF-8 with or without a mark, lines that end in LF, CRLF or CR, comments,
 * data of several lines.
 * @throws AlcoveError `too-large` from `push` and `end` as soon as a line or an event is longer than allowed; the parser must then not be used on
 */
export function createSseParser({ maxLine = 1_000_000, maxEvent = 4_000_000 }: SseLimits = {}): SseParser {
  const decoder = new TextDecoder()
  /** Pieces of the line that has not ended. */
  let pieces: string[] = []
  let length = 0
  let afterReturn = false
  let event = ''
  let data: string[] = []
  let size = 0
  let id: string | undefined
  let lastEventId: string | undefined
  let retryMs: number | undefined

  function endLine(events: SseEvent[]): void {
    const line = pieces.length === 1 ? (pieces[0] ?? '') : pieces.join('')
    pieces = []
    length = 0
    if (line === '') endEvent(events)
    else readField(line)
  }

  function endEvent(events: SseEvent[]): void {
    if (data.length > 0) events.push({ event: event || 'message', data: data.join('\n') })
    lastEventId = id
    event = ''
    data = []
    size = 0
  }

  function readField(line: string): void {
    const colon = line.indexOf(':')
    if (colon === 0) return
    const name = colon < 0 ? line : line.slice(0, colon)
    const value = colon < 0 ? '' : line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1)
    if (name === 'event') event = value
    if (name === 'id' && !value.includes('\0')) id = value
    if (name === 'retry' && /^\d{1,9}$/.test(value)) retryMs = Number(value)
    if (name !== 'data') return
    size += value.length + 1
    if (size > maxEvent) throw tooLarge('an event', maxEvent)
    data.push(value)
  }

  function take(piece: string): void {
    if (piece === '') return
    length += piece.length
    if (length > maxLine) throw tooLarge('a line', maxLine)
    pieces.push(piece)
  }

  function read(text: string): SseEvent[] {
    const events: SseEvent[] = []
    if (text === '') return events
    let start = afterReturn && text[0] === '\n' ? 1 : 0
    afterReturn = false
    const ends = /\r\n|\r|\n/g
    ends.lastIndex = start
    for (let found = ends.exec(text); found; found = ends.exec(text)) {
      take(text.slice(start, found.index))
      endLine(events)
      start = ends.lastIndex
      afterReturn = found[0] === '\r' && start === text.length
    }
    take(text.slice(start))
    return events
  }

  return {
    push: (bytes) => read(decoder.decode(bytes, { stream: true })),
    end() {
      const events = read(decoder.decode())
      if (length > 0) endLine(events)
      endEvent(events)
      return events
    },
    get lastEventId() {
      return lastEventId
    },
    get retryMs() {
      return retryMs
    },
  }
}

function tooLarge(what: string, limit: number): AlcoveError {
  return new AlcoveError('too-large', `The server sent ${what} of more than ${limit} characters in its stream`, {
    hint: 'No server of this protocol does that in good faith. Check the address.',
    details: { limit },
  })
}

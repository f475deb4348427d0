import { createSseParser } from '../../engines/http/sse.js'
import { AlcoveError, isAlcoveError } from '../../protocol/error.js'
import { readPieces } from './http-fetch.js'
import { tooLarge } from './rpc-error.js'

/** Where a stream was when it ended, to go on from there. */
export interface StreamPlace {
  readonly lastEventId: string | undefined
  readonly retryMs: number | undefined
}

export interface ReadEventsOptions {
  readonly name: string
  /** Longest line and event. */
  readonly maxMessageBytes: number
  /** Most bytes in all. @default no limit */
  readonly maxStreamBytes?: number | undefined
  /** Gives whether that was the last event that is wanted. */
  onEvent(event: string, data: string): boolean
  /** Kept up to date, also when the stream breaks. */
  readonly place: { lastEventId: string | undefined; retryMs: number | undefined }
}

/** Reads an event stream to its end. */
export async function readEvents(response: Response, options: ReadEventsOptions): Promise<void> {
  const { name, maxMessageBytes: limit, maxStreamBytes = Number.POSITIVE_INFINITY, onEvent, place } = options
  const parser = createSseParser({ maxLine: limit, maxEvent: limit })
  let bytes = 0
  const note = () => {
    place.lastEventId = parser.lastEventId ?? place.lastEventId
    place.retryMs = parser.retryMs ?? place.retryMs
  }
  await readPieces(response, name, (piece) => {
    bytes += piece.length
    if (bytes > maxStreamBytes) {
      throw new AlcoveError('limit-reached', `MCP server '${name}' sent ${maxStreamBytes} bytes without an answer`, {
        hint: 'The server floods its stream; nothing more of it is read.',
        details: { server: name },
      })
    }
    const events = parse(() => parser.push(piece), name, limit)
    note()
    // An event without data only carries an id.
    return events.some(({ event, data }) => data !== '' && onEvent(event, data))
  })
  // What is left without an empty line is no whole event.
}

function parse<T>(work: () => T, name: string, limit: number): T {
  try {
    return work()
  } catch (error) {
    throw isAlcoveError(error, 'too-large') ? tooLarge(name, limit) : error
  }
}

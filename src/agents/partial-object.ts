import type { StreamPart } from '../protocol/stream-part.js'
import { readPartialJson } from './partial-json.js'

/** A text is read again when it has grown by this share, so that reading it all the time stays linear in its length. */
const GROWTH = 1 / 32

/**
 * The growing object of a run with a schema; the last value is the whole, checked object.
 *
 * @throws AlcoveError what the run failed with
 */
export async function* readPartialObjects(
  reader: ReadableStreamDefaultReader<StreamPart>,
  object: () => Promise<unknown>,
): AsyncGenerator<unknown> {
  let text = ''
  let readLength = 0
  let shown: string | undefined
  for (;;) {
    const { done, value: part } = await reader.read()
    if (done) break
    // Each step's text is an answer of its own.
    if (part.type === 'step-start') {
      text = ''
      readLength = 0
    }
    if (part.type !== 'text-delta' || part.inner) continue
    text += part.text
    if (text.length < readLength * (1 + GROWTH)) continue
    readLength = text.length
    const value = readPartialJson(text)
    if (value === undefined) continue
    const json = JSON.stringify(value)
    if (json === shown) continue
    shown = json
    yield value
  }
  const whole = await object()
  if (whole !== undefined) yield whole
}

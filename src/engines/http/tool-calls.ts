import { AlcoveError } from '../../protocol/error.js'
import type { ModelPart } from '../../protocol/model.js'

type CallPart = Extract<ModelPart, { type: 'tool-input-delta' | 'tool-call' }>

/** A call as it arrives, in pieces. */
export interface CallDelta {
  readonly index?: unknown
  readonly id?: unknown
  readonly function?: { readonly name?: unknown; readonly arguments?: unknown } | null
}

interface OpenCall {
  /** As the server counts; undefined where it does not. */
  readonly index: number | undefined
  /** The server's id, as far as it came. */
  readonly id: string | undefined
  readonly callId: string
  name: string
  text: string
  isDone: boolean
}

export interface CallCollector {
  push(delta: CallDelta): CallPart[]
  /** The calls that have not been given yet. @param isCut the answer ended before its time, so that a call that is no JSON is no call */
  end(isCut: boolean): CallPart[]
  /** Number of calls given. */
  readonly count: number
}

const MAX_CALLS = 128
const MAX_INPUT = 2_000_000

/**
 * Puts streamed calls together. A call belongs to its `index`, where there is none to its `id`, and where there is neither, a name begins a
 * new one. It is given when the next begins and its input is whole, else at the end. What is no JSON is given as the text that it is, for the tool's schema to refuse.
 */
export function createCallCollector(createId: () => string): CallCollector {
  const calls: OpenCall[] = []
  let count = 0

  function find({ index, id, function: called }: CallDelta): OpenCall {
    const wanted = typeof id === 'string' && id !== '' ? id : undefined
    const place = typeof index === 'number' ? index : undefined
    const last = calls.at(-1)
    const isSame = (call: OpenCall) =>
      place !== undefined
        ? call.index === place && (wanted === undefined || call.id === undefined || call.id === wanted)
        : wanted !== undefined && call.id === wanted
    const known = calls.findLast(isSame)
    if (known) return known
    const goesOn =
      place === undefined && wanted === undefined && last && !(typeof called?.name === 'string' && called.name !== '')
    if (goesOn) return last
    if (calls.length >= MAX_CALLS) throw tooMany('calls in one answer', MAX_CALLS)
    const call = { index: place, id: wanted, callId: wanted ?? createId(), name: '', text: '', isDone: false }
    calls.push(call)
    return call
  }

  function finish(call: OpenCall, isCut: boolean): CallPart[] {
    if (call.isDone) return []
    call.isDone = true
    const input = readInput(call.text)
    if (call.name === '' || (isCut && input === undefined)) return []
    count += 1
    return [
      { type: 'tool-call', callId: call.callId, name: call.name, input: input === undefined ? call.text : input.value },
    ]
  }

  return {
    push(delta) {
      const call = find(delta)
      // Servers may interleave calls, so one is over only when its input is whole.
      const whole = calls.filter((each) => each !== call && each.text.trim() !== '' && readInput(each.text))
      const parts = whole.flatMap((each) => finish(each, false))
      if (call.isDone) return parts
      const { name, arguments: input } = delta.function ?? {}
      const hadName = call.name !== ''
      if (typeof name === 'string' && !hadName) call.name = name
      const text =
        typeof input === 'string' ? input : typeof input === 'object' && input !== null ? JSON.stringify(input) : ''
      if (call.text.length + text.length > MAX_INPUT) throw tooMany('characters of input for one call', MAX_INPUT)
      call.text += text
      const shown = hadName ? text : call.text
      if (call.name !== '' && shown !== '') {
        parts.push({ type: 'tool-input-delta', callId: call.callId, name: call.name, text: shown })
      }
      return parts
    },
    end: (isCut) => calls.flatMap((call) => finish(call, isCut)),
    get count() {
      return count
    },
  }
}

function readInput(text: string): { readonly value: unknown } | undefined {
  if (text.trim() === '') return { value: {} }
  try {
    return { value: JSON.parse(text) }
  } catch {
    return undefined
  }
}

function tooMany(what: string, limit: number): AlcoveError {
  return new AlcoveError('output-invalid', `The server sent more than ${limit} ${what}`, { details: { limit } })
}

import { AlcoveError, isAlcoveError } from '../protocol/error.js'
import type { ToolCallPart } from '../protocol/message.js'
import type { StreamPart } from '../protocol/stream-part.js'
import { abortError, onAbort } from '../runtime/abort.js'
import type { Clock } from '../runtime/clock.js'
import { toData } from './output.js'
import { isFatal, type Tool, type ToolHost } from './tool.js'

/** What came of a call, for the model. */
export interface Outcome {
  readonly output: unknown
  readonly isError: boolean
  /** The input did not fit, so the tool was not run. */
  readonly isInvalid?: boolean
}

interface TryOptions {
  readonly signal: AbortSignal
  readonly clock: Clock
  readonly emit: (part: StreamPart) => void
  readonly host?: ToolHost | undefined
}

type Call = Pick<ToolCallPart, 'callId' | 'name'>

/** Longest text of an error that a model is given. */
const MAX_ERROR_TEXT = 500

class ToolTimeout extends Error {}

/** Runs a tool, again as often as it allows. A failure is an outcome; only a fatal error and the run's abort are thrown. */
export async function tryTool(tool: Tool, call: Call, input: unknown, options: TryOptions): Promise<Outcome> {
  for (let tries = 0; ; tries++) {
    try {
      return { output: toData(await runOnce(tool, call, input, options)), isError: false }
    } catch (error) {
      if (options.signal.aborted) throw abortError(options.signal)
      if (isFatal(error)) throw fatalError(tool, error)
      if (tries >= tool.retries) return failure(errorText(tool, error))
      options.emit({ type: 'status', status: 'retrying', message: `Trying ${tool.name} again` })
    }
  }
}

/** One try. Its signal aborts with the run and when the time is over; what the tool does after that is ignored. */
async function runOnce(tool: Tool, { callId, name }: Call, input: unknown, { signal, clock, emit, host }: TryOptions) {
  const controller = new AbortController()
  const forget = onAbort(signal, () => controller.abort(signal.reason))
  const cancelTimer = clock.setTimer(tool.timeoutMs, () => controller.abort(new ToolTimeout()))
  let isOver = false
  const report = (progress: unknown) => {
    if (!isOver && !signal.aborted) emit({ type: 'tool-progress', callId, name, progress })
  }
  try {
    return await new Promise((resolve, reject) => {
      onAbort(controller.signal, ({ reason }) => reject(reason))
      tool.execute(input, { signal: controller.signal, callId, report, host }).then(resolve, reject)
    })
  } finally {
    isOver = true
    cancelTimer()
    forget()
  }
}

/** What ends the run: the error itself when it is one of ours. */
function fatalError(tool: Tool, error: unknown): AlcoveError {
  if (isAlcoveError(error)) return error
  return new AlcoveError('tool-failed', errorText(tool, error).replace(/^Error: /, ''), { cause: error })
}

export function failure(output: string): Outcome {
  return { output, isError: true }
}

/** What a tool failed with as the model sees it: short, without a stack. */
export function errorText(tool: Tool, error: unknown): string {
  if (error instanceof ToolTimeout) return `Error: ${tool.name} did not finish within ${tool.timeoutMs} ms.`
  const message = (error as { message?: unknown } | null | undefined)?.message
  return shorten(`Error: ${tool.name} failed: ${typeof message === 'string' ? message : String(error)}`)
}

/** A text for the model, cut to a length that costs little. */
export function shorten(text: string): string {
  return text.length > MAX_ERROR_TEXT ? `${text.slice(0, MAX_ERROR_TEXT - 1)}…` : text
}

import { AlcoveError, isAlcoveError } from '../../protocol/error.js'
import { anySignal, timeoutSignal } from '../../runtime/abort.js'
import type { Tool } from '../tool.js'

/** Longest text of a failure, in UTF-16 code units. */
const MAX_FAILURE = 500

/** Asks a person whether a tool that needs approval may run. */
export type ApproveCall = (tool: Tool, input: unknown) => boolean | Promise<boolean>

export interface OfferedCall {
  readonly callId: string
  readonly input: unknown
  readonly signal?: AbortSignal | undefined
  readonly approve?: ApproveCall | undefined
  report?(progress: unknown): void
}

/**
 * Runs a tool for a caller outside: the input is checked, the tool's own time limit holds, and what needs a person's approval is refused where
 * nobody can be asked.
 *
 * @throws AlcoveError `tool-input-invalid`, `permission-denied`, `timeout`, `aborted`, `tool-failed`
 */
export async function runOffered(
  tool: Tool,
  { callId, input, signal, approve, report }: OfferedCall,
): Promise<unknown> {
  const checked = await tool.checkInput(input ?? {})
  if (!checked.isValid) {
    throw new AlcoveError('tool-input-invalid', `The input does not fit ${tool.name}: ${checked.problems.join('; ')}`)
  }
  if (tool.needsApproval(checked.input) && !(await approve?.(tool, checked.input))) {
    throw new AlcoveError('permission-denied', `The user did not agree to ${tool.name}`, {
      hint: 'Give approve, which asks the person.',
    })
  }
  const limit = timeoutSignal(tool.timeoutMs)
  const own = anySignal(signal, limit.signal) ?? limit.signal
  try {
    return await new Promise<unknown>((resolve, reject) => {
      own.addEventListener('abort', () => reject(own.reason), { once: true })
      if (own.aborted) return reject(own.reason)
      tool
        .execute(checked.input, { callId, signal: own, report: (progress) => report?.(progress) })
        .then(resolve, reject)
    })
  } finally {
    limit.clear()
  }
}

/** What went wrong in a few words, without a stack. */
export function failureText(tool: Tool, error: unknown): string {
  if (isAlcoveError(error, 'tool-input-invalid') || isAlcoveError(error, 'permission-denied')) return error.message
  const message = (error as { message?: unknown } | null | undefined)?.message
  return `${tool.name} failed: ${typeof message === 'string' ? message : String(error)}`.slice(0, MAX_FAILURE)
}

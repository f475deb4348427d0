import { type TransferHandler, transferHandlers } from 'comlink'
import { AlcoveError, type AlcoveErrorCode, toAlcoveError } from '../protocol/error.js'
import type { ErrorInfo } from '../protocol/stream-part.js'

/**
 * An error as data that can cross a thread: code, message, hint, retryable, details. Details that cannot be cloned are
 * left out, as are cause and stack. `code` is for an error that is not an `AlcoveError`.
 */
export function toErrorInfo(error: unknown, code: AlcoveErrorCode = 'internal'): ErrorInfo {
  const { message, hint, retryable, details, code: own } = toAlcoveError(error, code)
  const info = { code: own, message, hint, retryable }
  const kept = Object.entries(details).filter(([, value]) => isCloneable(value))
  return kept.length === 0 ? info : { ...info, details: Object.fromEntries(kept) }
}

function isCloneable(value: unknown): boolean {
  try {
    structuredClone(value)
    return true
  } catch {
    return false
  }
}

/** The error that `toErrorInfo` was given, as an `AlcoveError` of this thread. */
export function fromErrorInfo(info: ErrorInfo): AlcoveError {
  const { code, message, hint, retryable, details } = info
  return new AlcoveError(code, message, { hint, retryable, details })
}

/**
 * Makes Comlink carry code, hint, retryable and details of what is thrown; by itself it keeps name and message only. Both
 * threads must call it. Idempotent.
 */
export function installErrorTransfer(): void {
  const plain = transferHandlers.get('throw')
  if (plain === undefined || plain === throwHandler) return
  throwHandler.canHandle = plain.canHandle as typeof throwHandler.canHandle
  transferHandlers.set('throw', throwHandler as TransferHandler<unknown, unknown>)
}

/** `canHandle` is Comlink's own: the mark of a thrown value is private to it. */
const throwHandler: TransferHandler<{ value: unknown }, ErrorInfo> = {
  canHandle: (_value): _value is { value: unknown } => false,
  serialize: ({ value }) => [toErrorInfo(value), []],
  deserialize: (info) => {
    throw fromErrorInfo(info)
  },
}

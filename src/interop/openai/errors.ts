import { AlcoveError, type AlcoveErrorCode, toAlcoveError } from '../../protocol/error.js'

/** The status that a server would answer with; other codes are 500. */
const STATUS: Partial<Record<AlcoveErrorCode, number>> = {
  'invalid-argument': 400,
  'context-overflow': 400,
  'dimension-mismatch': 400,
  'permission-denied': 403,
  'download-refused': 403,
  'not-found': 404,
  'model-not-found': 404,
  timeout: 408,
  'too-large': 413,
  'output-invalid': 422,
  'queue-full': 429,
  'webgpu-unavailable': 503,
  'out-of-memory': 503,
  network: 502,
  'http-status': 502,
  closed: 503,
}

/** Fields of an error as the OpenAI API sends it. */
export interface ApiErrorBody {
  readonly message: string
  readonly type: string
  readonly code: string
  readonly param: string | null
}

/** An `AlcoveError` with the fields that users of the official client look at. */
export class ApiError extends AlcoveError {
  /** HTTP status that fits the code; undefined for an abort, as with the official client. */
  readonly status: number | undefined
  readonly type: string
  /** The parameter that is wrong. */
  readonly param: string | null
  readonly error: ApiErrorBody

  constructor(cause: AlcoveError) {
    const { code, message, hint, retryable, details } = cause
    super(code, message, { hint, retryable, details, cause })
    this.status = code === 'aborted' ? undefined : (STATUS[code] ?? 500)
    this.type = (this.status ?? 500) < 500 ? 'invalid_request_error' : 'server_error'
    this.param = typeof details.param === 'string' ? details.param : null
    this.error = { message, type: this.type, code, param: this.param }
  }
}

export function toApiError(error: unknown): ApiError {
  return error instanceof ApiError ? error : new ApiError(toAlcoveError(error, 'internal'))
}

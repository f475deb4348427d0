/** One entry of the code table: what a code means for retrying, and what a person can do about it. */
interface CodeEntry {
  readonly retryable: boolean
  readonly hint: string
}

/**
 * Every error code of Alcove, once. The list may grow; a code never changes its meaning.
 * `hint` is the default advice; the place that throws gives a better one where it can.
 */
const CODES = {
  aborted: { retryable: false, hint: 'The caller aborted this. Start it again if that was not intended.' },
  timeout: { retryable: true, hint: 'Try again, or allow more time.' },
  'worker-crashed': { retryable: true, hint: 'Try again: the next call starts a new worker.' },
  'webgpu-unavailable': { retryable: false, hint: 'Use a model that runs on WebAssembly, or a browser with WebGPU.' },
  'device-lost': { retryable: true, hint: 'Try again: the model is loaded anew.' },
  'model-load-failed': { retryable: false, hint: 'Check the model files, or choose another model.' },
  'model-not-found': { retryable: false, hint: 'Check the model id and where its files are served.' },
  'integrity-failed': {
    retryable: true,
    hint: 'The file is not the published one. Fetch it again or from another source.',
  },
  'out-of-memory': { retryable: false, hint: 'Choose a smaller model or close other tabs.' },
  'quota-exceeded': { retryable: false, hint: 'Free storage on this device, or clear what is kept here.' },
  'store-blocked': { retryable: false, hint: 'Allow site data for this page. Until then nothing is kept.' },
  network: { retryable: true, hint: 'Check the connection and try again.' },
  'http-status': {
    retryable: true,
    hint: 'The server answered with an error. Check the address and its access rules.',
  },
  'context-overflow': { retryable: false, hint: 'Shorten the input, or use a model with a longer context.' },
  'tool-not-found': { retryable: false, hint: 'Use one of the tools that the agent has.' },
  'tool-input-invalid': { retryable: false, hint: 'Give the tool an input that fits its schema.' },
  'tool-failed': { retryable: false, hint: 'See the cause; mend the tool or its input.' },
  'parse-failed': { retryable: false, hint: 'The file may be broken. Open it elsewhere and save it again.' },
  'dimension-mismatch': {
    retryable: false,
    hint: 'Use the embedding model that made the stored vectors, or add the documents again.',
  },
  'max-steps': { retryable: false, hint: 'Raise maxSteps, or give the agent an easier task.' },
  'limit-reached': { retryable: false, hint: 'Raise the limit that was named.' },
  'invalid-argument': { retryable: false, hint: 'Correct the argument that was named.' },
  'not-found': { retryable: false, hint: 'Check the id.' },
  'permission-denied': { retryable: false, hint: 'Ask the person for permission.' },
  'output-invalid': {
    retryable: true,
    hint: 'The model wrote something that does not fit. Try again or use a stronger model.',
  },
  'queue-full': { retryable: true, hint: 'Wait until earlier work is done.' },
  'too-large': { retryable: false, hint: 'Split the input into smaller parts.' },
  'read-only': { retryable: false, hint: 'Change the original, and make this anew from it.' },
  'version-unsupported': { retryable: false, hint: 'Use the version of Alcove that wrote this, or make it again.' },
  'document-encrypted': { retryable: false, hint: 'Remove the password from the file and add it again.' },
  'document-empty': { retryable: false, hint: 'The file has no text. A scanned file needs text recognition first.' },
  'document-unsupported': { retryable: false, hint: 'Save it as PDF, DOCX, HTML, Markdown or plain text.' },
  'download-refused': { retryable: false, hint: 'Agree to the download, or raise maxDownloadBytes.' },
  'constraint-unmet': { retryable: false, hint: 'Loosen the constraint that was named, or choose another model.' },
  closed: { retryable: false, hint: 'This object was closed. Create a new one.' },
  unavailable: { retryable: false, hint: 'This browser does not have it. Do without, or use one that has.' },
  internal: {
    retryable: false,
    hint: 'This is a bug of Alcove or of code that it called. Please report it with the cause.',
  },
} as const satisfies Record<string, CodeEntry>

/** What went wrong, for code to branch on. */
export type AlcoveErrorCode = keyof typeof CODES

/** All codes, for validation and documentation. */
export const alcoveErrorCodes = Object.keys(CODES) as readonly AlcoveErrorCode[]

export interface AlcoveErrorOptions {
  /** What a person or developer can do now. @default the code's own hint */
  readonly hint?: string | undefined
  /** Whether the same call may succeed when made again. @default by code */
  readonly retryable?: boolean | undefined
  /** The error underneath. */
  readonly cause?: unknown
  /** Facts for code to read, structured-cloneable. */
  readonly details?: Readonly<Record<string, unknown>> | undefined
}

/**
 * The one error class of Alcove. Its message says what was expected, what was got and what to do;
 * `code` is stable and survives the worker edge.
 */
export class AlcoveError extends Error {
  override readonly name = 'AlcoveError'
  readonly code: AlcoveErrorCode
  readonly retryable: boolean
  readonly hint: string
  readonly details: Readonly<Record<string, unknown>>

  constructor(code: AlcoveErrorCode, message: string, options: AlcoveErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    const entry = CODES[code]
    this.code = code
    this.retryable = options.retryable ?? entry.retryable
    this.hint = options.hint ?? entry.hint
    this.details = options.details ?? {}
  }
}

/** Whether a value is an `AlcoveError`, also one that came from another copy of the library. */
export function isAlcoveError(value: unknown, code?: AlcoveErrorCode): value is AlcoveError {
  if (typeof value !== 'object' || value === null) return false
  const { name, code: own } = value as { name?: unknown; code?: unknown }
  return name === 'AlcoveError' && typeof own === 'string' && own in CODES && (code === undefined || own === code)
}

/** What Chromium, Firefox and Safari say of an `import()` whose file did not come. */
const UNFETCHED = /(?:fetch|loading) dynamically imported module|Importing a module script failed/
const UNFETCHED_HINT = 'A file of this page’s own code did not come. Check the connection, then reload the page.'

/**
 * An `AlcoveError` for anything that was thrown: itself when it is one, the matching code for the platform's
 * own abort, time-out, quota, clone and import errors, else `code` with the original as its cause.
 */
export function toAlcoveError(value: unknown, code: AlcoveErrorCode, message?: string): AlcoveError {
  if (isAlcoveError(value)) return value
  const name = (value as { name?: unknown } | null)?.name
  const text = value instanceof Error ? value.message : String(value)
  if (name === 'AbortError') return new AlcoveError('aborted', text || 'aborted', { cause: value })
  if (name === 'TimeoutError') return new AlcoveError('timeout', text || 'timed out', { cause: value })
  if (name === 'DataCloneError') return new AlcoveError('invalid-argument', text, { cause: value })
  if (name === 'QuotaExceededError') return new AlcoveError('quota-exceeded', text, { cause: value })
  if (UNFETCHED.test(text)) return new AlcoveError('network', text, { cause: value, hint: UNFETCHED_HINT })
  return new AlcoveError(code, message === undefined ? text : `${message}: ${text}`, { cause: value })
}

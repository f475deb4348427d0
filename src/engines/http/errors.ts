import { AlcoveError, type AlcoveErrorCode } from '../../protocol/error.js'
import { isRetryableStatus } from '../../runtime/retry.js'

/** Most characters of a server's own words in an error. */
const MAX_WORDS = 400
/** A header's value that is shorter is no secret, and would blank out ordinary words. */
const SHORTEST_SECRET = 6

/** Takes secrets out of a text, and control characters, and what is too long. */
export type Redact = (text: string) => string

export function createRedact(secrets: readonly string[]): Redact {
  const hidden = secrets.filter((secret) => secret.length >= SHORTEST_SECRET)
  return (text) => {
    const bare = hidden.reduce((left, secret) => left.replaceAll(secret, '[redacted]'), text)
    // biome-ignore lint/suspicious/noControlCharactersInRegex: a server's words are shown to people, so these are taken out
    const plain = bare.replace(/[\u0000-\u001f\u007f]+/g, ' ').trim()
    return plain.length > MAX_WORDS ? `${plain.slice(0, MAX_WORDS)}…` : plain
  }
}

/** What a server says of an error, in the forms that are in use. */
export interface ServerWords {
  readonly message: string
  readonly type?: string | undefined
  readonly code?: string | undefined
  /** Tokens of the prompt and of the context, where it tells them. */
  readonly promptTokens?: number | undefined
  readonly contextTokens?: number | undefined
}

/** Reads the body of an error, or the `error` of an event: `{ error: { message, type, code } }`, `{ error: '…' }`, `{ message }`, `{ detail }`, text. */
export function readServerWords(body: unknown): ServerWords {
  if (typeof body === 'string') return { message: /^\s*</.test(body) ? 'an HTML page' : body }
  const outer = fieldsOf(body)
  const inner = fieldsOf(outer.error)
  const text = (value: unknown) => (typeof value === 'string' && value !== '' ? value : undefined)
  const count = (value: unknown) => (typeof value === 'number' ? value : undefined)
  const message =
    text(inner.message) ??
    text(outer.error) ??
    text(outer.message) ??
    text(outer.detail) ??
    text(fieldsOf(inner.metadata).raw)
  return {
    message: message ?? '',
    type: text(inner.type) ?? text(outer.type),
    code: inner.code === undefined || inner.code === null ? text(outer.code) : String(inner.code),
    promptTokens: count(inner.n_prompt_tokens),
    contextTokens: count(inner.n_ctx),
  }
}

const fieldsOf = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}

const OVERFLOW =
  /context_length_exceeded|exceed_context_size|maximum context length|context (?:window|size|length).{0,40}exceed|exceeds? the (?:available )?context|prompt is too long/i
const NO_MODEL =
  /model_not_found|model .{0,120}(?:not found|does not exist|is not available)|no such model|unknown model/i

const HINTS: Readonly<Record<number, string>> = {
  401: 'Check http.apiKey.',
  403: 'The key may not use this model, or the server does not let this page in.',
  404: 'Check http.baseUrl: it usually ends in /v1.',
  408: 'The server gave up waiting. Try again.',
  413: 'Shorten the input.',
  429: 'The server asks for fewer requests, or the account is used up. Wait, or set http.connections lower.',
}

/**
 * The error of a status that is not 2xx. `context-overflow` and `model-not-found` where the server says so, else `http-status`; the status is
 * in `details.status` always.
 * @param place origin and path of the request, without its query
 */
export function statusError(status: number, words: ServerWords, place: string, redact: Redact): AlcoveError {
  const said = redact(words.message)
  const text = `${words.type ?? ''} ${words.code ?? ''} ${words.message}`
  const details = {
    status,
    ...(words.type && { type: redact(words.type) }),
    ...(words.code && { serverCode: redact(words.code) }),
    ...(words.promptTokens !== undefined && { promptTokens: words.promptTokens }),
    ...(words.contextTokens !== undefined && { contextTokens: words.contextTokens }),
  }
  const message = `${place} answered ${status}${said && `: ${said}`}`
  if (status < 500 && OVERFLOW.test(text)) return new AlcoveError('context-overflow', message, { details })
  if ((status === 404 || status === 400) && NO_MODEL.test(text)) {
    return new AlcoveError('model-not-found', message, { hint: 'Check the name in the model id.', details })
  }
  if (status === 0 || (status >= 300 && status < 400)) {
    return new AlcoveError('http-status', `${place} sends elsewhere (a redirect), which is not followed`, {
      hint: 'Give the final address as http.baseUrl: a key must not travel to where a redirect points.',
      retryable: false,
      details,
    })
  }
  return new AlcoveError('http-status', message, { hint: HINTS[status], retryable: isRetryableStatus(status), details })
}

/** The error that a server reports inside a stream that began well. */
export function eventError(body: unknown, place: string, redact: Redact): AlcoveError {
  const words = readServerWords(body)
  const status = /^[1-5]\d\d$/.test(words.code ?? '') ? Number(words.code) : 500
  const error = statusError(status, words, place, redact)
  if (error.code !== 'http-status') return error
  return new AlcoveError(
    'http-status',
    `${place} broke off its answer: ${redact(words.message) || 'it named no reason'}`,
    {
      hint: 'What was written until then is no whole answer. Ask again.',
      retryable: true,
      details: error.details,
    },
  )
}

/** The error of a request that never got an answer. */
export function networkError(cause: unknown, place: string, redact: Redact): AlcoveError {
  return new AlcoveError('network', `${place} could not be reached`, {
    cause: safeCause(cause, redact),
    hint: 'Check the address, the connection, and whether the server lets this page in (CORS, and connect-src of the page’s policy).',
  })
}

/** The error of an answer that stopped before its end. */
export function brokenOffError(place: string, cause: unknown, redact: Redact): AlcoveError {
  return new AlcoveError('network', `${place} closed the connection in the middle of its answer`, {
    cause: safeCause(cause, redact),
    hint: 'What was written until then is no whole answer. Ask again; nothing is repeated by itself after the first byte.',
    details: { phase: 'streaming' },
  })
}

export function timeoutError(phase: 'connect' | 'first-byte' | 'idle', timeoutMs: number, place: string): AlcoveError {
  const what = {
    connect: 'did not begin to answer',
    'first-byte': 'sent no first byte',
    idle: 'fell silent in the middle of its answer',
  }[phase]
  const option = { connect: 'connectMs', 'first-byte': 'firstByteMs', idle: 'idleMs' }[phase]
  return new AlcoveError('timeout', `${place} ${what} within ${timeoutMs} ms`, {
    hint: `Try again, or allow more time with http.timeouts.${option}.`,
    details: { phase, timeoutMs },
  })
}

/** The error of an answer that is not what the protocol says. */
export function invalidAnswer(place: string, expected: string, got: string, redact: Redact): AlcoveError {
  const code: AlcoveErrorCode = 'output-invalid'
  return new AlcoveError(code, `${place}: expected ${expected}, got ${redact(got).slice(0, 120) || 'nothing'}`, {
    hint: 'Check that http.baseUrl is the address of a server that speaks OpenAI’s protocol; it usually ends in /v1.',
  })
}

/** What was thrown, unless a secret is in its words. */
function safeCause(cause: unknown, redact: Redact): unknown {
  const words = [cause, (cause as { cause?: unknown } | undefined)?.cause]
    .map((each) => (each instanceof Error ? `${each.message}\n${each.stack ?? ''}` : String(each)))
    .join('\n')
  return redact(words).includes('[redacted]') || words.length > 20_000 ? undefined : cause
}

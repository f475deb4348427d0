import { AlcoveError, isAlcoveError } from '../../protocol/error.js'
import type { StatusPart } from '../../protocol/stream-part.js'
import { abortable, abortError, onAbort, throwIfAborted } from '../../runtime/abort.js'
import { type Clock, systemClock } from '../../runtime/clock.js'
import { createLimiter, type Limiter } from '../../runtime/limiter.js'
import { createBackoff, retryAfterMs } from '../../runtime/retry.js'
import { readAll, type TimedBody, timedBody } from './body.js'
import { type Circuit, createCircuit } from './circuit.js'
import { createRedact, networkError, type Redact, readServerWords, statusError, timeoutError } from './errors.js'
import { endpointUrl, type HttpSettings } from './options.js'

export interface TransportOptions {
  readonly settings: HttpSettings
  readonly clock?: Clock | undefined
  readonly random?: (() => number) | undefined
}

export interface TransportRequest {
  readonly method: 'GET' | 'POST'
  /** Under the base url, such as `chat/completions`. */
  readonly path: string
  /** Made anew for each server that is tried: what one cannot do, the next may. */
  readonly body?: ((endpoint: Endpoint) => unknown) | undefined
  /** Called with each refusal; true: the body was changed so that the same server is asked again at once. */
  readonly adapt?: ((error: AlcoveError, endpoint: Endpoint) => boolean) | undefined
  /** Named in status parts. */
  readonly modelId: string
  readonly signal: AbortSignal
  /** @default as the settings say */
  readonly maxAttempts?: number | undefined
}

/** One server. */
export interface Endpoint {
  readonly url: URL
  readonly circuit: Circuit
  readonly limiter: Limiter
}

/** An answer whose first byte is here. It holds its connection until `body` has ended, or is left. */
export interface TransportResponse {
  readonly status: number
  readonly contentType: string
  readonly body: TimedBody
  /** Origin and path that answered, for errors. */
  readonly place: string
  readonly redact: Redact
  readonly endpoint: Endpoint
}

/** Sends requests to the first server that is well, a limited number at a time, and again when that may help. */
export interface Transport {
  readonly endpoints: readonly Endpoint[]
  /** Whether any server has answered a request yet. */
  readonly hasAnswered: boolean
  /** Gives status parts while it waits and retries; returns an answer of status 2xx. */
  open(request: TransportRequest): AsyncGenerator<StatusPart, TransportResponse>
}

const MAX_ERROR_BYTES = 65_536
/** How often a request may be adapted to one server. */
const MAX_ADAPTIONS = 3

export function createTransport({ settings, clock = systemClock, random }: TransportOptions): Transport {
  const total = createLimiter(settings.total)
  let hasAnswered = false
  const limiters = new Map(settings.baseUrls.map(({ host }) => [host, createLimiter(settings.perHost)]))
  const endpoints = settings.baseUrls.map(
    (url): Endpoint => ({ url, circuit: createCircuit({ clock }), limiter: limiters.get(url.host) ?? total }),
  )

  /** The first that may be asked and was not yet; else the one that may be asked soonest. */
  function pick(tried: ReadonlySet<Endpoint>): Endpoint {
    const now = clock.now()
    const ready = (endpoint: Endpoint) => endpoint.circuit.blockedUntil <= now
    const found = endpoints.find((endpoint) => !tried.has(endpoint) && ready(endpoint)) ?? endpoints.find(ready)
    return (
      found ?? endpoints.reduce((best, each) => (each.circuit.blockedUntil < best.circuit.blockedUntil ? each : best))
    )
  }

  const hasFresh = (tried: ReadonlySet<Endpoint>) =>
    endpoints.some((endpoint) => !tried.has(endpoint) && endpoint.circuit.blockedUntil <= clock.now())

  async function* open(request: TransportRequest): AsyncGenerator<StatusPart, TransportResponse> {
    const { signal, modelId } = request
    const backoff = createBackoff({
      ...settings.retry,
      ...(request.maxAttempts !== undefined && { maxAttempts: request.maxAttempts }),
      clock,
      random,
    })
    const tried = new Set<Endpoint>()
    for (;;) {
      const endpoint = pick(tried)
      tried.add(endpoint)
      const release = yield* takeSlots(endpoint, request)
      try {
        return await askAdapted(endpoint, request, release)
      } catch (error) {
        release()
        throwIfAborted(signal)
        const failure = error as AlcoveError
        if (!failure.retryable) throw failure
        const again = (delayMs: number) => retrying(failure, delayMs, backoff.attempts, backoff.maxAttempts, modelId)
        if (hasFresh(tried)) {
          if (!backoff.nextAtOnce()) throw failure
          yield again(0)
          continue
        }
        const delayMs = backoff.next(askedMs(failure))
        if (delayMs === undefined) throw failure
        yield again(delayMs)
        await clock.sleep(delayMs, signal)
        tried.clear()
      }
    }
  }

  async function* takeSlots(endpoint: Endpoint, { signal, modelId }: TransportRequest) {
    const taken: Promise<() => void>[] = []
    const release = () => {
      for (const slot of taken) slot.then((free) => free()).catch(() => {})
    }
    let isWhole = false
    try {
      for (const limiter of new Set([endpoint.limiter, total])) {
        const { slot, isReady } = takeSlot(limiter, signal)
        taken.push(slot)
        if (!isReady()) yield queued(limiter.pending, modelId)
        await slot
      }
      isWhole = true
      return release
    } finally {
      if (!isWhole) release()
    }
  }

  async function askAdapted(endpoint: Endpoint, request: TransportRequest, release: () => void) {
    for (let adaptions = 0; ; adaptions++) {
      try {
        return await ask(endpoint, request, release)
      } catch (error) {
        const canAdapt = isAlcoveError(error, 'http-status') && adaptions < MAX_ADAPTIONS && !request.signal.aborted
        if (!canAdapt || !request.adapt?.(error, endpoint)) throw error
      }
    }
  }

  /** One request to one server, until its first byte is here. Tells the circuit what came of it. */
  async function ask(endpoint: Endpoint, request: TransportRequest, release: () => void): Promise<TransportResponse> {
    const { signal } = request
    const { circuit, url } = endpoint
    const place = `${url.origin}${new URL(endpointUrl(url, request.path)).pathname}`
    circuit.enter()
    const attempt = new AbortController()
    const forget = onAbort(signal, (aborted) => attempt.abort(aborted.reason))
    let onEnd = forget
    let redact = createRedact([])
    try {
      const { headers, secrets } = await requestHeaders(settings, request)
      redact = createRedact(secrets)
      throwIfAborted(signal)
      const response = await send(endpointUrl(url, request.path), request, endpoint, headers, attempt, place, redact)
      const limits = { ...settings, clock, place, redact, signal, attempt, onEnd: () => onEnd() }
      const body = timedBody(response.body, limits)
      if (!response.ok) throw await refusal(response, body, place, redact)
      await body.first
      circuit.succeed()
      hasAnswered = true
      onEnd = () => {
        forget()
        release()
      }
      return {
        status: response.status,
        contentType: response.headers.get('content-type') ?? '',
        body,
        place,
        redact,
        endpoint,
      }
    } catch (error) {
      forget()
      attempt.abort()
      noteFailure(circuit, error, signal)
      throw signal.aborted ? abortError(signal) : error
    }
  }

  async function send(
    url: string,
    { method, body }: TransportRequest,
    endpoint: Endpoint,
    headers: Headers,
    attempt: AbortController,
    place: string,
    redact: Redact,
  ): Promise<Response> {
    const content = body && JSON.stringify(body(endpoint))
    let late: AlcoveError | undefined
    const cancelTimer = clock.setTimer(settings.connectMs, () => {
      late = timeoutError('connect', settings.connectMs, place)
      attempt.abort(late)
    })
    try {
      const answer = settings.fetch(url, {
        method,
        headers,
        signal: attempt.signal,
        // A redirect could carry the key, which is in a header of any name, to another server.
        redirect: 'manual',
        credentials: 'omit',
        cache: 'no-store',
        referrerPolicy: 'no-referrer',
        ...(content !== undefined && { body: content }),
      })
      return await abortable(answer, attempt.signal)
    } catch (error) {
      throw late ?? (isAlcoveError(error) ? error : networkError(error, place, redact))
    } finally {
      cancelTimer()
    }
  }

  async function refusal(response: Response, body: TimedBody, place: string, redact: Redact): Promise<AlcoveError> {
    const text = await readAll(body, MAX_ERROR_BYTES).catch(() => '')
    const error = statusError(response.status, readServerWords(parseOr(text)), place, redact)
    const waitMs = retryAfterMs(response.headers, clock.wallTime())
    if (waitMs === undefined) return error
    const { code, message, retryable } = error
    const hint = waitMs > 0 ? `${error.hint} It asks to wait ${sayWait(waitMs)}.` : error.hint
    return new AlcoveError(code, message, { hint, retryable, details: { ...error.details, retryAfterMs: waitMs } })
  }

  return {
    endpoints,
    open,
    get hasAnswered() {
      return hasAnswered
    },
  }
}

/** Only what says something of the server counts: a refusal of this one request does not. */
function noteFailure(circuit: Circuit, error: unknown, signal: AbortSignal): void {
  if (signal.aborted || !isAlcoveError(error) || error.code === 'invalid-argument') circuit.left()
  else if (error.retryable) circuit.fail(askedMs(error))
  else circuit.succeed()
}

const askedMs = (error: AlcoveError): number | undefined => {
  const asked = error.details.retryAfterMs
  return typeof asked === 'number' ? asked : undefined
}

/** `40 s`, `3 min`, `24 h`: rounded up. */
function sayWait(waitMs: number): string {
  const seconds = Math.ceil(waitMs / 1_000)
  if (seconds < 120) return `${seconds} s`
  return seconds < 7_200 ? `${Math.ceil(seconds / 60)} min` : `${Math.ceil(seconds / 3_600)} h`
}

function parseOr(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

async function requestHeaders({ apiKey, headers: own }: HttpSettings, { method }: TransportRequest) {
  let key: string | undefined
  try {
    key = typeof apiKey === 'function' ? await apiKey() : apiKey
    const headers = new Headers({ ...(method === 'POST' && { 'content-type': 'application/json' }), ...own })
    if (key) headers.set('authorization', `Bearer ${key}`)
    return { headers, secrets: [...(key ? [key] : []), ...Object.values(own)] }
  } catch {
    // The platform's own error has the value in it.
    throw new AlcoveError(
      'invalid-argument',
      'http.apiKey or http.headers: expected names and values that may stand in a header',
      {
        hint: 'A key has no line breaks and no letters beyond Latin-1. A function that gives the key must not throw.',
      },
    )
  }
}

/** A place in a limiter that is held until it is released. */
function takeSlot(limiter: Limiter, signal: AbortSignal) {
  let isTaken = false
  const slot = new Promise<() => void>((resolve, reject) => {
    const held = () => {
      isTaken = true
      return new Promise<void>((release) => resolve(release))
    }
    limiter.run(held, { signal }).catch(reject)
  })
  slot.catch(() => {})
  return { slot, isReady: () => isTaken }
}

function queued(position: number, modelId: string): StatusPart {
  return {
    type: 'status',
    status: 'queued',
    message: `Waiting for a free connection (place ${position})`,
    position,
    modelId,
  }
}

function retrying(error: AlcoveError, delayMs: number, attempt: number, of: number, modelId: string): StatusPart {
  const { status, phase } = error.details
  const what =
    typeof status === 'number'
      ? `The server answered ${status}`
      : phase
        ? 'The server was too slow'
        : 'The server was not reached'
  const when = delayMs === 0 ? 'at another address' : `in ${(delayMs / 1_000).toFixed(1)} s`
  return { type: 'status', status: 'retrying', message: `${what}; trying again ${when} (${attempt} of ${of})`, modelId }
}

import { AlcoveError } from '../../protocol/error.js'
import type { ChatModelCapabilities } from '../../protocol/model.js'
import type { BackoffOptions } from '../../runtime/retry.js'

/** What is said of one remote chat model: no protocol tells it. */
export interface HttpModelOptions {
  /** Most tokens of prompt and answer together. @default 8192 */
  readonly contextTokens?: number | undefined
  /** What its messages may hold. @default ['text', 'image'] */
  readonly inputs?: ChatModelCapabilities['inputs'] | undefined
  /** `none`: tools are written into the prompt. @default 'native' */
  readonly tools?: ChatModelCapabilities['tools'] | undefined
  /** `none`: the server knows no `response_format`. @default 'json-schema' */
  readonly grammar?: 'json-schema' | 'none' | undefined
  readonly trust?: ChatModelCapabilities['trust'] | undefined
  /** Numbers in a vector of an embedding model; asked for and checked. @default the model's own */
  readonly dimensions?: number | undefined
  /** Longest text of an embedding model in tokens; a longer one is cut by an estimate. @default 512 */
  readonly maxTokens?: number | undefined
  /** ISO 639-1 codes of the languages that an embedding model serves. @default not known */
  readonly languages?: readonly string[] | undefined
  readonly queryPrefix?: string | undefined
  readonly documentPrefix?: string | undefined
  /** Fields that go into each request as they are, such as `{ reasoning_effort: 'low' }`. */
  readonly extraBody?: Readonly<Record<string, unknown>> | undefined
  /**
   * Fields that switch reasoning on and off (`sampling.reasoning`); there is no standard.
   * @default `chat_template_kwargs: { enable_thinking }`, as vLLM, SGLang and llama.cpp have it
   */
  readonly reasoningBody?: {
    readonly on: Readonly<Record<string, unknown>>
    readonly off: Readonly<Record<string, unknown>>
  }
}

/** Servers that speak OpenAI's protocol: for models `http:<model>`, and only for these. */
export interface HttpOptions {
  /** One address such as `https://host/v1`, or several that serve the same models: the first that is well is asked. */
  readonly baseUrl: string | URL | readonly (string | URL)[]
  /** Sent as a bearer token; a function is asked before each request. Never stored, and never in an error. */
  readonly apiKey?: string | (() => string | Promise<string>) | undefined
  /** Sent with each request. Their values are kept out of errors like the key. */
  readonly headers?: Readonly<Record<string, string>> | undefined
  /** @default the global fetch */
  readonly fetch?: typeof fetch | undefined
  /** What holds for all models. */
  readonly defaults?: HttpModelOptions | undefined
  /** What holds for one model, by its name without `http:`. */
  readonly models?: Readonly<Record<string, HttpModelOptions>> | undefined
  readonly connections?: {
    /** At one address at a time. @default 4 */
    readonly perHost?: number | undefined
    /** In all. @default 8 */
    readonly total?: number | undefined
  }
  readonly timeouts?: {
    /** Until the server's headers are here. @default 60_000 */
    readonly connectMs?: number | undefined
    /** From the headers to the first byte. @default 60_000 */
    readonly firstByteMs?: number | undefined
    /** Between two pieces of an answer. @default 60_000 */
    readonly idleMs?: number | undefined
  }
  readonly retry?: Pick<BackoffOptions, 'maxAttempts' | 'baseDelayMs' | 'maxDelayMs' | 'maxTotalMs'> | undefined
}

/** The options with every default filled in. */
export interface HttpSettings {
  readonly baseUrls: readonly URL[]
  readonly apiKey: HttpOptions['apiKey']
  readonly headers: Readonly<Record<string, string>>
  readonly fetch: typeof fetch
  readonly perHost: number
  readonly total: number
  readonly connectMs: number
  readonly firstByteMs: number
  readonly idleMs: number
  readonly retry: NonNullable<HttpOptions['retry']>
  modelOptions(model: string): HttpModelOptions
}

/** Where the page stands, and whether it may ask others. */
export interface HttpScope {
  readonly allowRemote: boolean
  /** Address that relative ones are resolved against. */
  readonly pageUrl: string | undefined
}

/**
 * Checks the options and fills in the defaults.
 * @throws AlcoveError `invalid-argument` that names the option, never its value where that may be a secret; `permission-denied` for an
 * address of another origin that the page must not ask
 */
export function readHttpOptions(options: HttpOptions, scope: HttpScope): HttpSettings {
  const { connections = {}, timeouts = {}, retry = {}, headers = {} } = options
  for (const [name, value] of Object.entries(retry)) readAmount(`retry.${name}`, value, 0, 0)
  return {
    baseUrls: readBaseUrls(options.baseUrl, scope),
    apiKey: options.apiKey,
    headers,
    fetch: options.fetch ?? ((...args) => fetch(...args)),
    perHost: readAmount('connections.perHost', connections.perHost, 4, 1),
    total: readAmount('connections.total', connections.total, 8, 1),
    connectMs: readAmount('timeouts.connectMs', timeouts.connectMs, 60_000, 1),
    firstByteMs: readAmount('timeouts.firstByteMs', timeouts.firstByteMs, 60_000, 1),
    idleMs: readAmount('timeouts.idleMs', timeouts.idleMs, 60_000, 1),
    retry,
    modelOptions: (model) => ({
      ...options.defaults,
      ...(options.models && Object.hasOwn(options.models, model) ? options.models[model] : {}),
    }),
  }
}

function readAmount(name: string, value: unknown, fallback: number, least: number): number {
  if (value === undefined) return fallback
  if (typeof value === 'number' && value >= least) return value
  throw new AlcoveError('invalid-argument', `http.${name}: expected a number from ${least}, got ${String(value)}`)
}

function readBaseUrls(baseUrl: HttpOptions['baseUrl'], scope: HttpScope): URL[] {
  const given = Array.isArray(baseUrl) ? (baseUrl as readonly (string | URL)[]) : [baseUrl as string | URL]
  if (given.length === 0)
    throw new AlcoveError('invalid-argument', 'http.baseUrl: expected an address, got an empty list')
  return given.map((each) => readBaseUrl(each, scope))
}

function readBaseUrl(value: string | URL, { allowRemote, pageUrl }: HttpScope): URL {
  // Anything else would be read as a path of the page: prompts would go to its own server.
  const isAddress = (typeof value === 'string' && value.trim() !== '') || value instanceof URL
  if (!isAddress || !URL.canParse(value, pageUrl))
    throw new AlcoveError('invalid-argument', 'http.baseUrl: expected an address such as https://host/v1, got none')
  const url = new URL(value, pageUrl)
  if (!/^https?:$/.test(url.protocol) || url.username !== '' || url.password !== '') {
    throw new AlcoveError(
      'invalid-argument',
      `http.baseUrl: expected an http or https address without a name and password in it, got one of ${url.protocol}//${url.host}`,
      { hint: 'Give the key as http.apiKey, or as a header in http.headers.' },
    )
  }
  const pageOrigin = pageUrl === undefined ? undefined : new URL(pageUrl).origin
  if (!allowRemote && url.origin !== pageOrigin) {
    throw new AlcoveError(
      'permission-denied',
      `http.baseUrl: expected an address of this page's own origin, as allowRemoteModels is false; got ${url.origin}`,
      { hint: 'Serve the model from the origin of the page, or allow remote models.' },
    )
  }
  return url
}

/** The address of an operation under a base url, whose query stays (some services keep a version there). */
export function endpointUrl(base: URL, path: string): string {
  const url = new URL(base)
  url.pathname = `${url.pathname.replace(/\/+$/, '')}/${path}`
  url.hash = ''
  return url.href
}

const HTTP_ID = /^http:([\w@][\w@.+:/-]{0,199})$/

/**
 * The model's name in `http:<model>`.
 * @throws AlcoveError `invalid-argument`
 */
export function httpModelName(id: string): string {
  const name = HTTP_ID.exec(id)?.[1]
  if (name !== undefined) return name
  throw new AlcoveError(
    'invalid-argument',
    `model: expected 'http:<model>' with the name that the server knows, got '${id}'`,
  )
}

import { AlcoveError } from '../../protocol/error.js'
import { abortError, onAbort } from '../../runtime/abort.js'
import { createLimiter } from '../../runtime/limiter.js'
import { openSandbox, type Sandbox, sandboxRefused } from '../open-sandbox.js'
import type { CodeFailureCode, CodeOutcome } from './code-messages.js'
import { MAX_JSON, MAX_PRINTED } from './code-messages.js'

/** How much longer than its own time code may take before its worker is ended: it ends by itself where it can. */
const GRACE_MS = 500
/** Most pictures that one call gives, and the bytes of all of them. */
const MAX_IMAGES = 8
const MAX_IMAGE_BYTES = 16_000_000

/** Most files that a session's code may ask for. */
const MAX_FILES = 2000

const FAILURE_CODES: readonly string[] = ['timeout', 'out-of-memory', 'tool-failed'] satisfies CodeFailureCode[]

/** What a worker for code is started with. */
export interface CodeWorker {
  /** Its script, as text. */
  readonly code: string
  /** What it is sent first. */
  readonly call: unknown
}

export interface CodeSessionOptions {
  /** Fetches what the worker needs. */
  readonly load: (signal: AbortSignal) => Promise<CodeWorker>
  /** Answers the worker's own requests for a file. @default refuses all */
  readonly readFile?: ((name: string, signal: AbortSignal) => Promise<ArrayBuffer>) | undefined
  readonly frameUrl?: string | undefined
  /** Longest time from the frame to a worker that is ready, downloads not counted. */
  readonly startMs: number
  /** Longest time of one piece of code. */
  readonly timeoutMs: number
  /** Whether variables are kept from one call to the next. */
  readonly keepState: boolean
}

/** What came of code that ran to its end. */
export interface CodeResult {
  readonly value: unknown
  readonly printed: string
  readonly images: readonly Blob[]
}

/** Runs pieces of code, each in a sandbox of its own, or all in one that is kept. */
export class CodeSession {
  readonly #options: CodeSessionOptions
  readonly #turns = createLimiter(1)
  #sandbox: Promise<Sandbox> | undefined
  #filesAsked = 0

  constructor(options: CodeSessionOptions) {
    this.#options = options
  }

  /**
   * Runs one piece of code, when those before it are over.
   *
   * @throws AlcoveError `timeout`, `out-of-memory` or `tool-failed` for what the code does; `permission-denied` where there is no sandbox
   */
  run(code: string, signal: AbortSignal): Promise<CodeResult> {
    return this.#turns.run(() => this.#runNow(code, signal), { signal })
  }

  /** Forgets what was kept and ends the worker. The next call starts anew. */
  close(): void {
    if (this.#sandbox !== undefined) this.#drop(this.#sandbox)
  }

  async #runNow(code: string, signal: AbortSignal): Promise<CodeResult> {
    const { keepState } = this.#options
    const isKept = this.#sandbox !== undefined
    this.#sandbox ??= this.#open(signal)
    const opening = this.#sandbox
    let outcome: CodeOutcome | undefined
    try {
      outcome = await this.#execute(await opening, code, signal)
    } finally {
      const isUsable = outcome !== undefined && !(outcome.type === 'failed' && outcome.isBroken)
      if (!keepState || !isUsable) this.#drop(opening)
    }
    if (outcome.type === 'failed') throw failureOf(outcome, isKept && outcome.isBroken)
    const images = outcome.images.map((data) => new Blob([data], { type: 'image/png' }))
    return { value: parseJson(outcome.json), printed: outcome.printed, images }
  }

  #drop(opening: Promise<Sandbox>): void {
    if (this.#sandbox === opening) this.#sandbox = undefined
    opening.then(
      (sandbox) => sandbox.close(),
      () => {},
    )
  }

  async #open(signal: AbortSignal): Promise<Sandbox> {
    const { load, frameUrl, startMs } = this.#options
    const worker = await load(signal)
    const sandbox = await openSandbox({ ...worker, needsWasm: true, frameUrl, signal })
    try {
      await this.#converse(sandbox, startMs, 'ready', signal)
      return sandbox
    } catch (error) {
      sandbox.close()
      throw error
    }
  }

  async #execute(sandbox: Sandbox, code: string, signal: AbortSignal): Promise<CodeOutcome> {
    const { timeoutMs } = this.#options
    const answer = this.#converse(sandbox, timeoutMs + GRACE_MS, 'outcome', signal)
    sandbox.port.postMessage({ type: 'run', code, timeoutMs })
    try {
      return readOutcome(await answer)
    } catch (error) {
      if (!(error instanceof AlcoveError) || error.code !== 'timeout' || signal.aborted) throw error
      const message = `It did not end within ${timeoutMs} ms.`
      return { type: 'failed', code: 'timeout', message, printed: '', isBroken: true }
    }
  }

  /** Waits for what the worker says, and gives it the files that it asks for meanwhile. */
  async #converse(sandbox: Sandbox, withinMs: number, wanted: 'ready' | 'outcome', signal: AbortSignal) {
    const { port } = sandbox
    const cleanUps: (() => void)[] = []
    try {
      return await new Promise<unknown>((resolve, reject) => {
        const timer = setTimeout(() => reject(new AlcoveError('timeout', `No answer within ${withinMs} ms`)), withinMs)
        cleanUps.push(
          () => clearTimeout(timer),
          onAbort(signal, () => reject(abortError(signal))),
        )
        port.onmessage = ({ data }: MessageEvent) => {
          const { type, message } = (data ?? {}) as { type?: unknown; message?: unknown }
          if (type === 'blocked') reject(sandboxRefused('the worker was not allowed', 'worker-src blob:'))
          else if (type === 'error') reject(new AlcoveError('tool-failed', String(message).slice(0, 1000)))
          else if (type === 'file') this.#answerFile(sandbox, data, signal)
          else if ((type === 'ready') === (wanted === 'ready')) resolve(data)
        }
      })
    } finally {
      port.onmessage = null
      for (const cleanUp of cleanUps) cleanUp()
    }
  }

  #answerFile({ port }: Sandbox, request: { readonly name?: unknown }, signal: AbortSignal): void {
    const name = String(request.name)
    if (++this.#filesAsked > MAX_FILES) return
    const { readFile = async () => Promise.reject(new AlcoveError('not-found', `There is no file '${name}'`)) } =
      this.#options
    readFile(name, signal).then(
      (data) => port.postMessage({ type: 'file', name, data }, [data]),
      (error: Error) => port.postMessage({ type: 'file', name, error: error.message }),
    )
  }
}

function failureOf(outcome: CodeOutcome & { type: 'failed' }, isStateLost: boolean): AlcoveError {
  const printed = outcome.printed === '' ? '' : `\nPrinted before: ${outcome.printed.slice(-300).trimEnd()}`
  const lost = isStateLost ? ' Its variables are lost.' : ''
  return new AlcoveError(outcome.code, `${outcome.message}${lost}${printed}`)
}

/** What a worker answered, as far as it is what it should be. */
function readOutcome(answer: unknown): CodeOutcome {
  const { type, json, printed, images, code, message, isBroken } = answer as Record<string, unknown>
  const text = typeof printed === 'string' ? printed.slice(0, MAX_PRINTED) : ''
  if (type === 'done' && (json === undefined || (typeof json === 'string' && json.length <= MAX_JSON))) {
    return { type, json, printed: text, images: readImages(images) }
  }
  const isKnown = type === 'failed' && FAILURE_CODES.includes(String(code))
  return {
    type: 'failed',
    code: isKnown ? (code as CodeFailureCode) : 'tool-failed',
    message: isKnown ? String(message).slice(0, 1000) : 'The sandbox gave an answer that is none.',
    printed: text,
    isBroken: !isKnown || isBroken !== false,
  }
}

function readImages(images: unknown): ArrayBuffer[] {
  const made: ArrayBuffer[] = []
  let bytes = 0
  for (const image of Array.isArray(images) ? images.slice(0, MAX_IMAGES) : []) {
    if (!(image instanceof ArrayBuffer)) continue
    bytes += image.byteLength
    if (bytes <= MAX_IMAGE_BYTES) made.push(image)
  }
  return made
}

function parseJson(json: string | undefined): unknown {
  if (json === undefined) return undefined
  try {
    return JSON.parse(json)
  } catch {
    throw new AlcoveError('tool-failed', 'The sandbox gave a value that is no JSON.')
  }
}

/** What a code tool gives a model: the value and what was printed, short, and pictures as they are. */
export function codeOutput({ value, printed, images }: CodeResult, maxCharacters: number): unknown {
  const text = JSON.stringify(value)
  const result = text !== undefined && text.length > maxCharacters ? cut(text, maxCharacters) : value
  const shown = cut(printed.trimEnd(), maxCharacters)
  return {
    ...(result === undefined ? {} : { result }),
    ...(shown === '' ? {} : { printed: shown }),
    ...(images.length === 0 ? {} : { images }),
    ...(result === undefined && shown === '' && images.length === 0 ? { result: null } : {}),
  }
}

function cut(text: string, maxCharacters: number): string {
  if (text.length <= maxCharacters) return text
  return `${text.slice(0, maxCharacters)}… (${text.length} characters in all)`
}

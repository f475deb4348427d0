import { AlcoveError, isAlcoveError } from '../../protocol/error.js'
import { abortError, onAbort } from '../../runtime/abort.js'
import type { Clock } from '../../runtime/clock.js'
import type { FileFacts } from '../engine.js'
import { pieceCount, pieceLength } from './file-store.js'
import type { Draft } from './weight-draft.js'
import { isSameFile, type RequestContext, readAnswer, request, skip, type WeightSource } from './weight-request.js'

export interface TransferContext extends RequestContext {
  readonly clock: Clock
  readonly facts: FileFacts | undefined
  /** Bytes so far, and in all where known. */
  report(progress: { readonly loaded: number; readonly total: number | undefined }): void
  /** Something that a person may want to know, such as that a transfer begins again. */
  say(message: string): void
}

/** What a killed worker loses at most. */
export const PIECE_BYTES = 4_194_304

/** How often in a row a transfer is taken up again in vain before giving up: where nobody answers, and where the answer breaks off. */
const MAX_RESUMES = 4
const MAX_BREAKS = 2
const MAX_ATTEMPTS = 200
const FIRST_PAUSE_MS = 500
/** How long to wait for a network that the browser says is away. */
const OFFLINE_PAUSE_MS = 60_000
/** A larger file that finds no room is not fetched into memory instead. */
const MAX_UNKEPT_BYTES = 16_777_216
/** A connection that gives nothing for so long is taken for dead. */
const STALL_MS = 30_000
/** How often a file may change, or a piece be wrong, before its source is given up. */
const MAX_RESTARTS = 3

/** Whether a page was served instead of a file: single-page hosts answer every path with their index page. */
const looksLikeHtml = (head: Uint8Array) => /^\s*<(?:!doctype|html)/i.test(new TextDecoder().decode(head.slice(0, 64)))

/**
 * Fetches what a draft lacks from one source, in as few requests as there are gaps. A transfer that breaks off is taken up where it
 * stopped; a file that has changed, or whose server gives no parts, begins again.
 * @returns the length of the file; undefined when the source does not have it
 * @throws AlcoveError `network`, `http-status`, `integrity-failed`, `download-refused` or `aborted`
 */
export async function transfer(
  source: WeightSource,
  draft: Draft,
  context: TransferContext,
): Promise<number | undefined> {
  return new Transfer(source, draft, context).run()
}

/** What became of one request. */
type Outcome =
  | { readonly kind: 'absent' | 'restart' | 'again' | 'end' }
  | { readonly kind: 'broken'; readonly error: unknown; readonly isUnreachable: boolean }

class Transfer {
  readonly #source: WeightSource
  readonly #draft: Draft
  readonly #context: TransferContext
  readonly #pieceBytes: number
  /** The piece that is being filled. */
  #buffer: Uint8Array
  #filled = 0
  #index = 0
  /** Most bytes that were here at once: less is no progress. */
  #most = 0
  #restarts = 0
  #hasGiven = false
  /** The last piece was not what the manifest says. */
  #isBroken = false

  constructor(source: WeightSource, draft: Draft, context: TransferContext) {
    this.#source = source
    this.#draft = draft
    this.#context = context
    this.#pieceBytes = context.facts?.pieces?.bytes ?? draft.head?.pieceBytes ?? PIECE_BYTES
    this.#buffer = new Uint8Array(Math.min(this.#pieceBytes, context.facts?.bytes ?? this.#pieceBytes))
    this.#most = draft.bytes
  }

  async run(): Promise<number | undefined> {
    let inVain = 0
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      if (this.#isWhole()) return this.#draft.head?.bytes
      const outcome = await this.#fetchGap()
      if (outcome.kind === 'absent') return undefined
      if (outcome.kind === 'end' && this.#draft.head?.bytes === undefined) return this.#endUnknown()
      if (outcome.kind === 'restart' && ++this.#restarts > MAX_RESTARTS) throw this.#changing()
      if (outcome.kind !== 'broken' && outcome.kind !== 'end') continue
      if (this.#isWhole()) continue
      const error = outcome.kind === 'broken' ? outcome.error : undefined
      const isProgress = this.#loaded > this.#most
      this.#most = Math.max(this.#most, this.#loaded)
      inVain = isProgress ? 0 : inVain + 1
      const isUnreachable = outcome.kind === 'broken' && outcome.isUnreachable
      // A server that ends its answer but never gives more has a short file: that is no matter of the connection.
      const most = isUnreachable ? MAX_RESUMES : outcome.kind === 'broken' ? MAX_BREAKS : 0
      if (inVain > most) throw this.#failure(error, isUnreachable)
      if (!(outcome.kind === 'end' && isProgress)) await this.#pause(inVain)
    }
    throw this.#failure(undefined, false)
  }

  get #loaded(): number {
    return this.#draft.bytes + this.#filled
  }

  #isWhole(): boolean {
    const { head } = this.#draft
    return head?.bytes !== undefined && this.#gap(head.bytes) === undefined
  }

  /** The first run of missing pieces, by index; `to` is behind its last. */
  #gap(bytes: number): { readonly from: number; readonly to: number } | undefined {
    const { head } = this.#draft
    if (!head) return { from: 0, to: 0 }
    const count = pieceCount(head, bytes)
    let from = 0
    while (from < count && this.#draft.has(from)) from++
    if (from >= count) return undefined
    let to = from + 1
    while (to < count && !this.#draft.has(to)) to++
    return { from, to }
  }

  async #fetchGap(): Promise<Outcome> {
    const { head } = this.#draft
    const gap = head?.bytes === undefined ? undefined : this.#gap(head.bytes)
    if (gap === undefined) this.#filled = 0
    else if (gap.from !== this.#index) this.#filled = 0
    this.#index = gap?.from ?? 0
    const from = this.#index * this.#pieceBytes + this.#filled
    const end = gap && head?.bytes !== undefined ? Math.min(head.bytes, gap.to * this.#pieceBytes) : undefined
    let response: Response | undefined
    try {
      response = await this.#ask(from, end)
    } catch (error) {
      return this.#refused(error, from)
    }
    if (!response) {
      if (this.#hasGiven) throw this.#failure(undefined, false)
      return { kind: 'absent' }
    }
    return this.#take(response, from)
  }

  #ask(from: number, end: number | undefined): Promise<Response | undefined> {
    const total = this.#draft.head?.bytes
    const isAll = from === 0 && (end === undefined || end === total)
    const last = end === undefined || end === total ? '' : String(end - 1)
    return request(this.#source, isAll ? {} : { headers: { range: `bytes=${from}-${last}` } }, this.#context)
  }

  /** A first request that fails is the source's failure; a later one is as a broken connection. */
  async #refused(error: unknown, from: number): Promise<Outcome> {
    if (isAlcoveError(error, 'http-status') && error.details?.status === 416 && from > 0) return this.#restart()
    const isPassing = isAlcoveError(error, 'network') || (isAlcoveError(error, 'http-status') && error.retryable)
    if (!isPassing || !this.#hasGiven) throw error
    return { kind: 'broken', error, isUnreachable: true }
  }

  /** Reads an answer into the draft, if it goes on with what is there. */
  async #take(response: Response, from: number): Promise<Outcome> {
    const { start, head } = readAnswer(response, this.#source, from, this.#pieceBytes)
    const known = this.#draft.head
    const { bytes, sha256, md5 } = this.#context.facts ?? {}
    if (bytes !== undefined && head.bytes !== undefined && head.bytes !== bytes) {
      await skip(response)
      throw this.#wrong('the length', bytes, head.bytes)
    }
    const isRest =
      start === from && known?.bytes !== undefined && isSameFile(known, head, (sha256 ?? md5) !== undefined)
    if (from > 0 && !isRest) {
      this.#context.say(
        start === from
          ? 'A model file has changed on its server, so it is fetched anew'
          : `${new URL(this.#source.url).host} gives no parts of files, so a transfer that broke off begins again`,
      )
    }
    // A part of another file, or one that says nothing of the whole.
    if (!isRest && response.status === 206 && (from > 0 || head.bytes === undefined)) {
      await skip(response)
      return this.#restart()
    }
    if (!isRest) {
      this.#filled = 0
      this.#index = 0
      await this.#draft.begin({ ...head, bytes: head.bytes ?? bytes })
      await this.#checkRoom(response)
    }
    return this.#read(response)
  }

  async #checkRoom(response: Response): Promise<void> {
    const { head, error } = this.#draft
    if (error?.code !== 'quota-exceeded' || (head?.bytes ?? 0) <= MAX_UNKEPT_BYTES) return
    await skip(response)
    throw new AlcoveError('quota-exceeded', `there is no room for the ${head?.bytes} bytes of ${this.#source.url}`, {
      cause: error,
      details: { bytes: head?.bytes, url: this.#source.url },
    })
  }

  async #restart(): Promise<Outcome> {
    this.#filled = 0
    this.#index = 0
    const { head } = this.#draft
    if (head) await this.#draft.begin({ ...head, bytes: undefined })
    return { kind: 'restart' }
  }

  async #read(response: Response): Promise<Outcome> {
    const { signal } = this.#context
    const reader = response.body?.getReader()
    if (!reader) return { kind: 'end' }
    const cancel = () => void reader.cancel().catch(() => {})
    const forget = onAbort(signal, cancel)
    try {
      for (;;) {
        const chunk = await this.#nextChunk(reader)
        if (signal.aborted) throw abortError(signal)
        if (chunk === undefined) return { kind: 'end' }
        const isFirst = this.#index === 0 && this.#filled === 0
        if (isFirst && !this.#source.url.endsWith('.html') && looksLikeHtml(chunk)) {
          cancel()
          return { kind: 'absent' }
        }
        if (!(await this.#store(chunk))) {
          cancel()
          return { kind: this.#isBroken ? 'again' : 'end' }
        }
      }
    } catch (error) {
      if (signal.aborted) throw abortError(signal)
      if (isAlcoveError(error, 'integrity-failed')) throw error
      cancel()
      return { kind: 'broken', error, isUnreachable: false }
    } finally {
      forget()
    }
  }

  async #nextChunk(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<Uint8Array | undefined> {
    let stop: () => void = () => {}
    const stalled = new Promise<never>((_, reject) => {
      stop = this.#context.clock.setTimer(STALL_MS, () =>
        reject(new AlcoveError('network', `${this.#source.url} gave nothing for ${STALL_MS / 1_000} s`)),
      )
    })
    try {
      const { done, value } = await Promise.race([reader.read(), stalled])
      return done ? undefined : value
    } finally {
      stop()
    }
  }

  /** False when no more is wanted of this answer. */
  async #store(chunk: Uint8Array): Promise<boolean> {
    this.#hasGiven = true
    for (let at = 0; at < chunk.byteLength; ) {
      const { head } = this.#draft
      const wanted = head ? pieceLength(head, this.#index) : this.#pieceBytes
      if (wanted === 0 || this.#draft.has(this.#index)) return false
      const part = chunk.subarray(at, at + wanted - this.#filled)
      this.#grow(this.#filled + part.byteLength)
      this.#buffer.set(part, this.#filled)
      this.#filled += part.byteLength
      at += part.byteLength
      if (this.#filled === wanted && !(await this.#settle())) return false
    }
    this.#context.report({ loaded: this.#loaded, total: this.#draft.head?.bytes })
    return true
  }

  #grow(bytes: number): void {
    if (bytes <= this.#buffer.byteLength) return
    const larger = new Uint8Array(this.#pieceBytes)
    larger.set(this.#buffer.subarray(0, this.#filled))
    this.#buffer = larger
  }

  /** Keeps the piece. One that is not what the manifest says is fetched again by itself. */
  async #settle(): Promise<boolean> {
    const isRight = await this.#draft.put(this.#index, this.#buffer.subarray(0, this.#filled))
    this.#filled = 0
    this.#isBroken = !isRight
    if (isRight) {
      this.#index++
      return true
    }
    if (++this.#restarts > MAX_RESTARTS) {
      throw this.#wrong(
        'the SHA-256',
        this.#context.facts?.pieces?.sha256[this.#index],
        `another in piece ${this.#index}`,
      )
    }
    this.#context.say('A piece of a model file was broken, so it is fetched again')
    return false
  }

  /** The end of an answer that did not tell its length. */
  async #endUnknown(): Promise<number> {
    const bytes = this.#loaded
    if (this.#filled > 0 && !(await this.#settle())) throw this.#failure(undefined, false)
    return bytes
  }

  async #pause(inVain: number): Promise<void> {
    const { clock, signal } = this.#context
    const isOffline = globalThis.navigator?.onLine === false
    const ms = isOffline ? OFFLINE_PAUSE_MS : FIRST_PAUSE_MS * 2 ** inVain
    this.#context.say(
      isOffline
        ? 'The network is away: the download goes on when it is back'
        : 'The connection broke off: the download goes on from where it was',
    )
    const stop = new AbortController()
    const wake = () => stop.abort()
    globalThis.addEventListener?.('online', wake, { once: true })
    const forget = onAbort(signal, wake)
    try {
      await clock.sleep(ms, stop.signal).catch(() => {})
      if (signal.aborted) throw abortError(signal)
    } finally {
      forget()
      globalThis.removeEventListener?.('online', wake)
    }
  }

  #wrong(what: string, expected: unknown, got: unknown): AlcoveError {
    const { url } = this.#source
    return new AlcoveError('integrity-failed', `expected ${what} ${expected} of ${url}, got ${got}`, {
      details: { url, expected, got },
    })
  }

  #changing(): AlcoveError {
    return new AlcoveError('integrity-failed', `${this.#source.url} changes while it is fetched`, {
      details: { url: this.#source.url },
    })
  }

  #failure(cause: unknown, isUnreachable: boolean): AlcoveError {
    const { url } = this.#source
    const total = this.#draft.head?.bytes
    if (total === undefined || isUnreachable) {
      return new AlcoveError('network', `the transfer of ${url} broke off: ${String(cause)}`, { cause })
    }
    return new AlcoveError('integrity-failed', `expected ${total} bytes from ${url}, got ${this.#loaded}`, {
      cause,
      details: { url, expectedBytes: total, bytes: this.#loaded },
    })
  }
}

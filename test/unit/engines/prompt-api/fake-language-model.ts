import type {
  LanguageModelAvailability,
  LanguageModelCreateOptions,
  LanguageModelMessage,
  LanguageModelPromptOptions,
  LanguageModelSession,
  LanguageModelStatic,
} from '../../../../src/engines/prompt-api/language-model.js'

export interface FakeOptions {
  availability?: LanguageModelAvailability
  images?: boolean
  /** Whether somebody just clicked. */
  isActive?: boolean
  contextWindow?: number
  /** The names and the stream of the first browsers that had it. */
  old?: boolean
  answer?: (input: readonly LanguageModelMessage[], options: LanguageModelPromptOptions) => readonly string[]
  /** Between two pieces. */
  delayMs?: number
}

export interface Fake extends LanguageModelStatic {
  readonly log: { readonly call: string; readonly input?: unknown; readonly options?: unknown }[]
  readonly sessions: FakeSession[]
}

const wordsOf = (input: readonly LanguageModelMessage[]): number =>
  JSON.stringify(input.map(({ content }) => content)).split(/\s+/).length

/** Behaves as the specification says, with a word as a token. It copies nothing of a browser: what a real one does beyond the text is not seen here. */
export function fakeLanguageModel(options: FakeOptions = {}): Fake {
  const log: Fake['log'] = []
  const sessions: FakeSession[] = []
  let availability = options.availability ?? 'available'
  return {
    log,
    sessions,
    async availability({ expectedInputs = [] } = {}) {
      const isKnown = expectedInputs.every(({ type }) => type === 'text' || (type === 'image' && options.images))
      return isKnown ? availability : 'unavailable'
    },
    async create(create: LanguageModelCreateOptions = {}) {
      log.push({ call: 'create', input: create.initialPrompts ?? [] })
      create.signal?.throwIfAborted()
      if (availability === 'unavailable')
        throw new DOMException('The device is unable to create a session', 'NotAllowedError')
      if (availability !== 'available') {
        if (!options.isActive) throw new DOMException('Requires a user gesture', 'NotAllowedError')
        const target = new EventTarget()
        create.monitor?.(target)
        for (const loaded of [0, 0.5, 1]) {
          target.dispatchEvent(Object.assign(new Event('downloadprogress'), { loaded, total: 1 }))
        }
        availability = 'available'
      }
      const session = new FakeSession(options, log, wordsOf(create.initialPrompts ?? []))
      sessions.push(session)
      return session
    },
  }
}

export class FakeSession implements LanguageModelSession {
  isDestroyed = false
  #usage: number
  readonly #options: FakeOptions
  readonly #log: Fake['log']

  constructor(options: FakeOptions, log: Fake['log'], usage: number) {
    this.#options = options
    this.#log = log
    this.#usage = usage
    const limit = options.contextWindow ?? 1_000
    const measureInput = async (input: readonly LanguageModelMessage[]) => wordsOf(input)
    const names = options.old
      ? {
          inputQuota: { value: limit },
          inputUsage: { get: () => this.#usage },
          measureInputUsage: { value: measureInput },
        }
      : {
          contextWindow: { value: limit },
          contextUsage: { get: () => this.#usage },
          measureContextUsage: { value: measureInput },
        }
    Object.defineProperties(this, names)
  }

  async clone(): Promise<LanguageModelSession> {
    if (this.isDestroyed) throw new DOMException('destroyed', 'InvalidStateError')
    this.#log.push({ call: 'clone' })
    return new FakeSession(this.#options, this.#log, this.#usage)
  }

  destroy(): void {
    this.isDestroyed = true
  }

  promptStreaming(
    input: readonly LanguageModelMessage[],
    options: LanguageModelPromptOptions = {},
  ): ReadableStream<string> {
    if (this.isDestroyed) throw new DOMException('destroyed', 'InvalidStateError')
    this.#log.push({ call: 'prompt', input, options: { ...options, signal: undefined } })
    const answer = this.#options.answer?.(input, options) ?? ['The ', 'sea ', 'is ', 'wide.']
    const added = wordsOf(input)
    const limit = this.#options.contextWindow ?? 1_000
    const { signal } = options
    const produce = async function* (this: FakeSession) {
      if (this.#usage + added > limit) {
        throw Object.assign(new DOMException('The input is too large', 'QuotaExceededError'), {
          requested: this.#usage + added,
          quota: limit,
        })
      }
      this.#usage += added
      let text = ''
      for (const piece of answer) {
        await new Promise((resolve) => setTimeout(resolve, this.#options.delayMs ?? 0))
        signal?.throwIfAborted()
        this.#usage += 1
        text += piece
        yield this.#options.old ? text : piece
      }
    }.bind(this)
    const iterator = produce()
    return new ReadableStream<string>({
      async pull(controller) {
        const { done, value } = await iterator.next()
        if (done) controller.close()
        else controller.enqueue(value)
      },
    })
  }
}

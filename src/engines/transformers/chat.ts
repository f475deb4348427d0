import type { ChatModel, ChatModelCapabilities, LoadOptions, ModelPart, ModelRequest } from '../../protocol/model.js'
import type { StatusPart } from '../../protocol/stream-part.js'
import { createLoadOnce } from '../../runtime/load-once.js'
import { createPartQueue } from '../../runtime/part-queue.js'
import { createTurnQueue } from '../../runtime/turn-queue.js'
import { drainedStream } from '../drained-stream.js'
import type { ChatEngine, ModelSpec } from '../engine.js'
import { isFatalToEngine, translateEngineError } from '../engine-errors.js'
import { checkSampling } from '../sampling.js'
import { waitForTurn } from '../wait-turn.js'
import { createWeightLoader } from '../weights/weights.js'
import { generateText } from './generate.js'
import { inspectModel } from './inspect.js'
import { type Loaded, openModel } from './open.js'
import { encodePrompt } from './prompt.js'
import { chooseDevice, loadLibrary, loadTokenizer, readJson, type Tokenizer } from './runtime.js'

const UNKNOWN_CONTEXT_TOKENS = 2_048

/**
 * Chat models of transformers.js (ONNX), on WebGPU where there is a real GPU, else on WebAssembly. For use in a worker.
 * `seed` makes an answer repeatable on one device and build; native tools are not offered. `output` takes a JSON schema or a grammar in GBNF.
 */
export const transformersChat: ChatEngine = {
  inspect: (spec, options) => inspectModel(spec, 'chat', options),
  create: (spec) => new TransformersChatModel(spec),
}

class TransformersChatModel implements ChatModel {
  readonly id: string
  readonly #spec: ModelSpec
  readonly #turns = createTurnQueue()
  readonly #loads = createLoadOnce<Loaded, StatusPart>({ open: (context) => this.#open(context) })
  #tokenizer: Promise<Tokenizer> | undefined

  constructor(spec: ModelSpec) {
    this.id = spec.id
    this.#spec = spec
  }

  get contextTokens(): number {
    return this.#loads.value?.contextTokens ?? this.#spec.contextTokens ?? UNKNOWN_CONTEXT_TOKENS
  }

  get capabilities(): ChatModelCapabilities {
    const { trust = 'answer', dialect } = this.#spec
    return { tools: 'none', grammar: 'gbnf', inputs: ['text'], prefixReuse: true, trust, ...(dialect && { dialect }) }
  }

  get device(): 'webgpu' | 'wasm' | undefined {
    return this.#loads.value?.device
  }

  get isLoaded(): boolean {
    return this.#loads.value !== undefined
  }

  async load(options: LoadOptions = {}): Promise<void> {
    await this.#loads.load(options)
  }

  stream(request: ModelRequest, { signal }: { readonly signal?: AbortSignal | undefined } = {}) {
    return drainedStream<ModelPart>((stopped) => this.#answer(request, stopped), signal)
  }

  async countTokens(request: ModelRequest): Promise<number> {
    this.#tokenizer ??= this.#openTokenizer()
    return encodePrompt(await this.#tokenizer, request.messages, request.sampling?.reasoning).length
  }

  async dispose(): Promise<void> {
    const endTurn = await this.#turns.enter()
    try {
      const loaded = this.#loads.unload()
      this.#tokenizer = undefined
      await loaded?.decoder.reset()
      await loaded?.model.dispose()
    } finally {
      endTurn()
    }
  }

  async #openTokenizer(): Promise<Tokenizer> {
    try {
      const loader = createWeightLoader(this.#spec)
      const { device } = await chooseDevice(this.#spec, 'auto')
      // First, so that the loader knows where this model's files come from.
      await readJson(loader, 'config.json')
      return await loadTokenizer(await loadLibrary(device), { loader })
    } catch (error) {
      this.#tokenizer = undefined
      throw error
    }
  }

  async *#answer(request: ModelRequest, signal: AbortSignal): AsyncGenerator<ModelPart> {
    checkSampling(request.sampling)
    const endTurn = yield* waitForTurn(this.#turns, this.id, request, signal)
    try {
      const loaded = yield* this.#loadInStream(signal)
      const prompt = encodePrompt(loaded.tokenizer, request.messages, request.sampling?.reasoning)
      yield* generateText(loaded, prompt, request, signal)
    } catch (error) {
      const translated = translateEngineError(error, 'model-load-failed', `'${this.id}' failed`)
      if (isFatalToEngine(translated)) this.#loads.unload()
      throw translated
    } finally {
      endTurn()
    }
  }

  async *#loadInStream(signal: AbortSignal): AsyncGenerator<ModelPart, Loaded> {
    if (this.#loads.value) return this.#loads.value
    const statuses = createPartQueue<StatusPart>()
    const opened = this.#loads.load({ signal, onProgress: statuses.push })
    opened.then(statuses.end, statuses.fail)
    yield* statuses
    return opened
  }

  async #open({ signal, report }: { readonly signal: AbortSignal; report(status: StatusPart): void }): Promise<Loaded> {
    const loaded = await openModel(this.#spec, signal, report)
    this.#tokenizer = Promise.resolve(loaded.tokenizer)
    return loaded
  }
}

import type { ModelRecord } from '@mlc-ai/web-llm'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { ModelSpec } from '../../../src/engines/engine.js'
import { createWebLlmChat } from '../../../src/engines/web-llm/chat.js'
import { createWebLlmEmbedding } from '../../../src/engines/web-llm/embedding.js'
import type { WebLlmLibrary } from '../../../src/engines/web-llm/load.js'
import { checkRequest, requestBody } from '../../../src/engines/web-llm/parts.js'
import { embeddingModelContract } from '../../../src/testing-contracts.js'
import { webLlmSite } from './web-llm-site.js'

const NAME = 'snowflake-arctic-embed-s-q0f32-MLC-b4'
const CHAT = 'Llama-3.2-1B-Instruct-q4f32_1-MLC'
const LIST = [
  { model: `https://hub.test/${NAME}`, model_id: NAME, model_lib: 'https://libs.test/a.wasm', model_type: 1 },
  { model: `https://hub.test/${CHAT}`, model_id: CHAT, model_lib: 'https://libs.test/b.wasm' },
] as unknown as ModelRecord[]

const spec = (rest: Partial<ModelSpec> = {}): ModelSpec => ({
  id: `webllm:${NAME}`,
  allowRemote: true,
  hubUrl: 'https://hub.test/',
  cacheName: 'models',
  ...rest,
})

const CLS = 1
const SEP = 2
/** A token for each character, and one for each special token, as a BERT tokenizer has them when it is asked to add none. */
const encode = (text: string): Int32Array =>
  Int32Array.from(
    text.split(/(\[CLS\]|\[SEP\])/).flatMap((piece) => {
      if (piece === '[CLS]') return [CLS]
      if (piece === '[SEP]') return [SEP]
      return [...piece].map((character) => character.codePointAt(0) ?? 0)
    }),
  )

interface FakeBehaviour {
  error?: unknown
  hasTokenizer?: boolean
}

/** The package with the part of its types that embedding uses. A text's vector counts its characters: what it means is not computed. */
function fakeLibrary(behaviour: FakeBehaviour = {}) {
  const inputs: (readonly (number[] | string)[])[] = []
  const engines: { lose(): void }[] = []
  class Engine {
    loadedModelIdToPipeline = new Map<string, unknown>()
    constructor() {
      engines.push({ lose: () => this.loadedModelIdToPipeline.clear() })
    }
    embeddings = {
      create: async ({ input }: { input: readonly (number[] | string)[] }) => {
        inputs.push(input)
        if (behaviour.error) throw behaviour.error
        const long = input.find((each) => each.length > 512)
        if (long) throw Object.assign(new Error('exceeds'), { name: 'EmbeddingExceedContextWindowSizeError' })
        const data = input.map((each, index) => {
          const tokens = typeof each === 'string' ? [...encode(each)] : each
          const embedding = new Array<number>(64).fill(0)
          for (const token of tokens) embedding[token % 64] = (embedding[token % 64] ?? 0) + 1
          return { object: 'embedding', index, embedding }
        })
        return { data, model: NAME, object: 'list', usage: {} }
      },
    }
    async reload(id: string) {
      this.loadedModelIdToPipeline.set(id, behaviour.hasTokenizer === false ? {} : { tokenizer: { encode } })
    }
    async unload() {
      this.loadedModelIdToPipeline.clear()
    }
  }
  const library = {
    MLCEngine: Engine,
    prebuiltAppConfig: { model_list: LIST },
  } as unknown as WebLlmLibrary
  return { library, inputs, engines, behaviour }
}

const { fetch: missing } = webLlmSite({}, () => false)
const withGpu = () => vi.stubGlobal('navigator', { gpu: { requestAdapter: async () => ({ features: new Set() }) } })
const create = (behaviour: FakeBehaviour = {}, rest: Partial<ModelSpec> = {}) => {
  const fake = fakeLibrary(behaviour)
  const engine = createWebLlmEmbedding({ importLibrary: async () => fake.library, fetch: webLlmSite().fetch })
  return { ...fake, engine, model: engine.create(spec(rest)) }
}
afterEach(() => vi.unstubAllGlobals())

describe('the contract, on the package as its types are', () => {
  beforeEach(withGpu)
  embeddingModelContract({ test, expect }, async () => create().model)
})

describe('embedding', () => {
  beforeEach(withGpu)

  test('sets the special tokens that WebLLM leaves out, and the query prefix of the family', async () => {
    const { model, inputs } = create()
    await model.load()
    await model.embed(['ab'], { purpose: 'document' })
    await model.embed(['ab'], { purpose: 'query' })
    expect(inputs.at(-2)).toEqual([[CLS, 97, 98, SEP]])
    const prefix = encode('Represent this sentence for searching relevant passages: ')
    expect(inputs.at(-1)).toEqual([[CLS, ...prefix, 97, 98, SEP]])
  })

  test('cuts before the last special token', async () => {
    const { model, inputs } = create({}, { maxTokens: 5 })
    await model.embed(['abcdefgh'])
    expect(inputs.at(-1)).toEqual([[CLS, 97, 98, 99, SEP]])
  })

  test('sends the text where the tokenizer cannot be reached', async () => {
    const { model, inputs } = create({ hasTokenizer: false })
    await model.embed(['ab'])
    expect(inputs.at(-1)).toEqual(['[CLS] ab [SEP]'])
  })

  test('goes in batches of four', async () => {
    const { model, inputs } = create()
    await model.load()
    expect(await model.embed(['a', 'b', 'c', 'd', 'e', 'f'])).toHaveLength(6)
    expect(inputs.slice(1).map((batch) => batch.length)).toEqual([4, 2])
  })

  test('batches only texts of one length, and gives the vectors in the order of the texts', async () => {
    const { model, inputs } = create()
    await model.load()
    const texts = ['a', 'bcd', 'e', 'fgh', 'i']
    const vectors = await model.embed(texts)
    const lengths = inputs.slice(1).map((batch) => batch.map((input) => input.length))
    expect(lengths).toEqual([
      [3, 3, 3],
      [5, 5],
    ])
    const alone = []
    for (const text of texts) alone.push(...(await model.embed([text])))
    expect(vectors).toEqual(alone)
  })

  test('takes a new engine when WebLLM has unloaded the model with its device, or the device goes in the middle', async () => {
    const { model, engines, behaviour } = create()
    await model.embed(['a'])
    engines[0]?.lose()
    await model.embed(['a'])
    expect(engines).toHaveLength(2)
    behaviour.error = Object.assign(new Error('The device was lost'), { name: 'DeviceLostError' })
    await expect(model.embed(['a'])).rejects.toMatchObject({ code: 'device-lost' })
    behaviour.error = undefined
    await model.embed(['a'])
    expect(engines).toHaveLength(3)
  })

  test('finds embedding models only', async () => {
    const { engine } = create()
    const found = await engine.inspect(spec({ id: `webllm:${CHAT}` }))
    expect(found).toMatchObject({
      state: 'unavailable',
      error: { code: 'model-not-found', details: { nearest: [NAME] } },
    })
    expect(await engine.inspect(spec())).toMatchObject({ state: 'downloadable', device: 'webgpu' })
  })
})

describe('without WebGPU', () => {
  const engine = createWebLlmChat({ importLibrary: async () => fakeLibrary().library, fetch: missing })

  test.each([
    ['a model that is not served', { id: 'webllm:no-such-model' }],
    ['one on the hub that must not be asked', { id: `webllm:${CHAT}`, allowRemote: false }],
  ])('%s is refused for the device first', async (_, rest) => {
    vi.stubGlobal('navigator', {})
    expect(await engine.inspect(spec(rest))).toMatchObject({ error: { code: 'webgpu-unavailable' } })
    await expect(engine.create(spec(rest)).load()).rejects.toMatchObject({ code: 'webgpu-unavailable' })
    withGpu()
    expect(await engine.inspect(spec(rest))).toMatchObject({ error: { code: 'model-not-found' } })
  })
})

describe('sampling', () => {
  const messages = [{ role: 'user' as const, content: 'a' }]

  test('logit bias and reasoning are in the request', () => {
    const body = requestBody({ messages, sampling: { logitBias: { '7': -100 }, reasoning: 'off' } })
    expect(body).toMatchObject({ logit_bias: { '7': -100 }, extra_body: { enable_thinking: false } })
    expect(requestBody({ messages, sampling: { reasoning: 'on' } })).toMatchObject({
      extra_body: { enable_thinking: true },
    })
    expect(requestBody({ messages, sampling: {} })).not.toHaveProperty('extra_body')
  })

  test('values out of range are refused before a model is loaded', () => {
    for (const sampling of [{ temperature: -1 }, { logitBias: { a: 1 } }, { topP: 2 }]) {
      expect(() => checkRequest({ messages, sampling })).toThrow(expect.objectContaining({ code: 'invalid-argument' }))
    }
  })
})

import type { ChatCompletionRequestStreaming, MLCEngine } from '@mlc-ai/web-llm'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { createModelSpec } from '../../../src/engines/choice/model-spec.js'
import type { ModelSpec } from '../../../src/engines/engine.js'
import { createWebLlmChat } from '../../../src/engines/web-llm/chat.js'
import { readImageSize } from '../../../src/engines/web-llm/image-header.js'
import { createImageReader } from '../../../src/engines/web-llm/images.js'
import type { WebLlmLibrary } from '../../../src/engines/web-llm/load.js'
import { visionOf } from '../../../src/engines/web-llm/vision.js'
import type { AlcoveError } from '../../../src/protocol/error.js'
import type { MediaPart } from '../../../src/protocol/message.js'
import type { ModelRequest } from '../../../src/protocol/model.js'
import { iterate } from '../../../src/runtime/stream.js'
import { webLlmSite } from './web-llm-site.js'

/** The beginning of a PNG of that size: what the header says is all that is read here. */
function png(width: number, height: number, mark = 0): Blob {
  const bytes = new Uint8Array(64)
  bytes.set([0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10, 0, 0, 0, 13, 0x49, 0x48, 0x44, 0x52])
  new DataView(bytes.buffer).setUint32(16, width)
  new DataView(bytes.buffer).setUint32(20, height)
  bytes[60] = mark
  return new Blob([bytes], { type: 'image/png' })
}
const image = (data: Blob | string): MediaPart => ({ type: 'image', data, mediaType: 'image/png' })
const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => 'none',
    (error) => (error as AlcoveError).code,
  )

beforeEach(() => {
  vi.stubGlobal('createImageBitmap', async (blob: Blob) => ({
    ...readImageSize(new Uint8Array(await blob.arrayBuffer())),
    close() {},
  }))
})
afterEach(() => vi.unstubAllGlobals())

describe('the size in the header of a picture', () => {
  const bytes = (...head: (number | string)[]) => {
    const all = head.flatMap((each) => (typeof each === 'string' ? [...Buffer.from(each, 'latin1')] : [each]))
    return Uint8Array.from([...all, ...new Array<number>(40).fill(0)])
  }
  test.each([
    ['GIF', bytes('GIF89a', 0x40, 1, 0xf0, 0), { width: 320, height: 240 }],
    ['JPEG', bytes(0xff, 0xd8, 0xff, 0xe0, 0, 4, 1, 2, 0xff, 0xc2, 0, 17, 8, 1, 2, 3, 4), { width: 772, height: 258 }],
    [
      'WebP',
      bytes('RIFF....WEBPVP8 ', ...new Array<number>(10).fill(0), 0x40, 1, 0xf0, 0),
      { width: 320, height: 240 },
    ],
    ['lossless WebP', bytes('RIFF....WEBPVP8L....', 0x2f, 0x3f, 0x81, 0x3b, 0), { width: 320, height: 239 }],
    [
      'extended WebP',
      bytes('RIFF....WEBPVP8X', ...new Array<number>(8).fill(0), 0x3f, 1, 0, 0xef, 0, 0),
      { width: 320, height: 240 },
    ],
    ['a JPEG without a frame', bytes(0xff, 0xd8, 0xff, 0xe0, 0, 4, 1, 2, 0, 0), undefined],
    ['a page', bytes('<!doctype html><title>x</title>'), undefined],
    ['nothing', new Uint8Array(), undefined],
  ])('%s', (_, file, size) => {
    expect(readImageSize(file)).toEqual(size)
  })
})

describe('pictures of a request', () => {
  const reader = (fetchFile?: typeof fetch, allowRemote = false) =>
    createImageReader({ allowRemote, fetch: fetchFile, origin: 'https://page.test' })

  test('the same picture has the same address, also as another Blob', async () => {
    const parts = [image(png(10, 20)), image(png(10, 20)), image(png(10, 20, 1))]
    const [first, same, other] = [...(await reader().prepare(parts)).values()]
    expect(first).toMatchObject({ width: 10, height: 20 })
    expect(same?.url).toBe(first?.url)
    expect(other?.url).not.toBe(first?.url)
  })

  test('a data: address is read without a request', async () => {
    const base64 = Buffer.from(await png(3, 4).arrayBuffer()).toString('base64')
    const never = () => Promise.reject(new Error('asked'))
    const images = await reader(never).prepare([image(`data:image/png;base64,${base64}`)])
    expect([...images.values()]).toMatchObject([{ width: 3, height: 4 }])
  })

  test('an address is fetched under the page’s rules only', async () => {
    const asked: [string, string | undefined][] = []
    const fetchFile = (async (url, init) => {
      asked.push([String(url), init?.redirect])
      return new Response(png(3, 4))
    }) as typeof fetch
    const elsewhere = [image('https://else.test/a.png')]
    expect(await codeOf(reader(fetchFile).prepare(elsewhere))).toBe('download-refused')
    expect(asked).toEqual([])
    await reader(fetchFile, true).prepare(elsewhere)
    await reader(fetchFile).prepare([image('https://page.test/a.png')])
    expect(asked).toEqual([
      ['https://else.test/a.png', 'follow'],
      ['https://page.test/a.png', 'error'],
    ])
  })

  const answer = (response: () => Response) => (async () => response()) as typeof fetch
  test.each<[string, Blob | string, string, typeof fetch?]>([
    ['a text', new Blob(['x'.repeat(100)]), 'invalid-argument'],
    ['too many bytes', new Blob([new Uint8Array(20_000_001)]), 'too-large'],
    ['too many pixels', png(100_000, 100_000), 'too-large'],
    ['too long', png(1_700, 100), 'invalid-argument'],
    ['too high', png(100, 1_700), 'invalid-argument'],
    ['a relative address', 'a.png', 'invalid-argument'],
    ['a script', 'javascript:alert(1)', 'invalid-argument'],
    ['a data: address of text', 'data:text/plain,hello', 'invalid-argument'],
    ['a broken data: address', 'data:image/png;base64,%%', 'invalid-argument'],
    ['404', 'https://page.test/a.png', 'http-status', answer(() => new Response('no', { status: 404 }))],
    [
      'no connection',
      'https://page.test/a.png',
      'network',
      answer(() => {
        throw new TypeError('Failed to fetch')
      }),
    ],
    [
      'an answer without end',
      'https://page.test/a.png',
      'too-large',
      answer(
        () => new Response(new ReadableStream({ pull: (controller) => controller.enqueue(new Uint8Array(1_000_000)) })),
      ),
    ],
  ])('%s is refused', async (_, data, code, fetchFile) => {
    expect(await codeOf(reader(fetchFile).prepare([image(data)]))).toBe(code)
  })

  test('one that cannot be decoded is refused, and an abort ends the wait', async () => {
    vi.stubGlobal('createImageBitmap', () => Promise.reject(new Error('The source image could not be decoded.')))
    expect(await codeOf(reader().prepare([image(png(3, 4))]))).toBe('invalid-argument')
    vi.stubGlobal('createImageBitmap', () => new Promise(() => {}))
    const controller = new AbortController()
    const prepared = reader().prepare([image(png(3, 4))], controller.signal)
    controller.abort()
    expect(await codeOf(prepared)).toBe('aborted')
  })
})

describe('tokens of a picture', () => {
  const visionWith = (pipeline: object) =>
    visionOf({ loadedModelIdToPipeline: new Map([['m', pipeline]]) } as unknown as MLCEngine, 'm')
  const square = { url: '', blob: new Blob(), width: 100, height: 100 }

  test('with what WebLLM sets round it', () => {
    const phi = visionWith({
      getSupportedInputKinds: () => new Set(['image']),
      computeImageEmbedSize: (height: number, width: number) => height + width,
      config: { model_type: 'phi3_v' },
      tokenizer: { encode: () => [1, 2] },
    })
    expect(phi).toMatchObject({ inputs: ['text', 'image'], hasManifest: false })
    expect(phi.tokensOf(square)).toBe(202)
    const gemma = visionWith({
      getSupportedInputKinds: () => new Set(['image']),
      computeImageEmbedSize: () => 256,
      config: { model_config: { boi_token_index: 5, eoi_token_index: 6 } },
    })
    expect(gemma.tokensOf(square)).toBe(258)
    const manifest = visionWith({
      getSupportedInputKinds: () => new Set(['audio', 'image']),
      artifact: {
        imageInput: { processor: { num_embeddings: 280 }, prompt: { prefix_token_ids: [1], suffix_token_ids: [2, 3] } },
      },
    })
    expect(manifest).toMatchObject({ inputs: ['text', 'image'], hasManifest: true })
    expect(manifest.tokensOf(square)).toBe(283)
  })

  test('is an upper bound where WebLLM cannot tell', () => {
    const fails = () => {
      throw new Error('Cannot determine image embed size')
    }
    expect(visionWith({ computeImageEmbedSize: fails }).tokensOf(square)).toBeGreaterThan(2_500)
    expect(visionWith({ getSupportedInputKinds: () => undefined }).inputs).toEqual(['text'])
  })
})

describe('a model that reads pictures', () => {
  beforeEach(() => {
    vi.stubGlobal('navigator', { gpu: { requestAdapter: async () => ({ features: new Set() }) } })
  })
  const NAME = 'Phi-3.5-vision-instruct-q4f32_1-MLC'
  const sources = { baseUrl: undefined, allowRemote: true, hubUrl: 'https://hub.test/', cacheName: 'models' }

  /** The package's engine as far as it is used: it fetches the pictures of a request, as WebLLM does while it reads the prompt. */
  function create(kinds: ReadonlySet<string> | undefined, rest: Partial<ModelSpec> = {}) {
    const requests: ChatCompletionRequestStreaming[] = []
    const fetched: number[] = []
    class Engine {
      loadedModelIdToPipeline = new Map<string, unknown>()
      loadedModelIdToChatConfig = new Map<string, unknown>()
      chat = {
        completions: {
          create: async (request: ChatCompletionRequestStreaming) => {
            requests.push(request)
            for (const { content } of request.messages) {
              if (!Array.isArray(content)) continue
              for (const part of content) {
                if (part.type === 'image_url') fetched.push((await (await fetch(part.image_url.url)).blob()).size)
              }
            }
            return (async function* () {})()
          },
        },
      }
      async reload(id: string) {
        const tokenizer = { encode: (text: string) => new Int32Array(text.length) }
        const pipeline = { tokenizer, getSupportedInputKinds: () => kinds, computeImageEmbedSize: () => 700 }
        this.loadedModelIdToPipeline.set(id, pipeline)
        const conv_template = {
          system_template: '',
          system_message: '',
          roles: { user: 'U', assistant: 'A' },
          seps: ['|'],
        }
        this.loadedModelIdToChatConfig.set(id, { conv_template, context_window_size: 4096 })
      }
      async unload() {}
      async interruptGenerate() {}
    }
    const record = { model: `https://hub.test/mlc-ai/${NAME}`, model_id: NAME, model_lib: 'https://l.test/a.wasm' }
    const library = { MLCEngine: Engine, prebuiltAppConfig: { model_list: [record] } } as unknown as WebLlmLibrary
    const engine = createWebLlmChat({ importLibrary: async () => library, fetch: webLlmSite().fetch })
    return { model: engine.create({ ...createModelSpec(`webllm:${NAME}`, sources), ...rest }), requests, fetched }
  }
  const ask = (data: Blob): ModelRequest => ({
    messages: [{ role: 'user', content: [{ type: 'text', text: 'What is $& this?' }, image(data)] }],
  })
  const drain = async (stream: ReadableStream) => {
    for await (const _ of iterate(stream));
  }

  test('is given them before the text, fetches them here, and they count', async () => {
    const { model, requests, fetched } = create(new Set(['image']))
    expect(model.capabilities.inputs).toEqual(['text', 'image'])
    const before = await model.countTokens(ask(png(10, 10)))
    const realFetch = globalThis.fetch
    await drain(model.stream(ask(png(10, 10))))
    expect(requests[0]?.messages).toEqual([
      {
        role: 'user',
        content: [
          {
            type: 'image_url',
            image_url: { url: expect.stringMatching(/^https:\/\/alcove\.invalid\/image\/\w{64}$/) },
          },
          { type: 'text', text: 'What is $& this?' },
        ],
      },
    ])
    expect(fetched).toEqual([64])
    expect(globalThis.fetch).toBe(realFetch)
    const text = await model.countTokens({ messages: [{ role: 'user', content: 'What is $& this?' }] })
    expect(await model.countTokens(ask(png(10, 10)))).toBe(text + 700)
    expect(before).toBeGreaterThan(text + 700)
    await drain(model.stream(ask(png(10, 10))))
    expect(requests[1]?.messages, 'so that WebLLM knows the conversation again').toEqual(requests[0]?.messages)
  })

  test('one that turns out to read text only refuses them', async () => {
    const { model, requests } = create(undefined)
    expect(await codeOf(drain(model.stream(ask(png(10, 10)))))).toBe('invalid-argument')
    expect(model.capabilities.inputs).toEqual(['text'])
    expect(requests).toEqual([])
  })

  test('one that is not known to read them refuses before it is loaded, and takes them when it does read them', async () => {
    const { model } = create(new Set(['image']), { inputs: undefined })
    expect(await codeOf(drain(model.stream(ask(png(10, 10)))))).toBe('invalid-argument')
    await model.load()
    expect(model.capabilities.inputs).toEqual(['text', 'image'])
    expect(await codeOf(drain(model.stream(ask(png(10, 10)))))).toBe('none')
  })

  test('an answer that has begun cannot go on from pictures', async () => {
    const { model } = create(new Set(['image']))
    const messages = [...ask(png(10, 10)).messages, { role: 'assistant' as const, content: 'It is' }]
    expect(await codeOf(drain(model.stream({ messages })))).toBe('invalid-argument')
  })

  test('those of WebLLM’s list are known by their ids', async () => {
    const { prebuiltAppConfig, ModelType } = await import('@mlc-ai/web-llm')
    const reads = (id: string) => createModelSpec(`webllm:${id}`, sources).inputs?.includes('image') === true
    for (const { model_id, model_type, model_manifest } of prebuiltAppConfig.model_list) {
      expect(reads(model_id), model_id).toBe(model_type === ModelType.VLM || model_manifest !== undefined)
    }
  })
})

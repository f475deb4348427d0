import type { EmbeddingPurpose } from '../../protocol/model.js'
import type { InteropClient, ModelNames } from '../client.js'
import { type ChatSettings, completeChat, streamChat } from './chat.js'
import { embedTexts } from './embeddings.js'
import { toApiError } from './errors.js'
import { createLocalFetch, type LocalFetch } from './fetch.js'
import type {
  CallOptions,
  ChatCompletion,
  ChatCompletionParams,
  ChunkStream,
  EmbeddingList,
  EmbeddingParams,
  ListedModel,
  ModelPage,
} from './types.js'

export interface CreateOpenAIOptions {
  /** Names that your code uses for models, with the models that they stand for: `{ 'gpt-4o-mini': 'auto' }`. */
  readonly models?: ModelNames | undefined
  /** What embeddings are for: some models write a prefix that depends on it. @default 'document' */
  readonly embeddingPurpose?: EmbeddingPurpose | undefined
  /** Milliseconds since the epoch. @default Date.now */
  readonly now?: (() => number) | undefined
  /** Ids of answers. @default random */
  readonly createId?: (() => string) | undefined
}

/** The calls of the official OpenAI client, answered on this device. Errors are `AlcoveError`s that also have `status`, `type` and `param`. */
export interface OpenAIOnDevice {
  readonly chat: {
    readonly completions: {
      create(
        params: ChatCompletionParams & { readonly stream?: false | null },
        options?: CallOptions,
      ): Promise<ChatCompletion>
      create(params: ChatCompletionParams & { readonly stream: true }, options?: CallOptions): Promise<ChunkStream>
      create(params: ChatCompletionParams, options?: CallOptions): Promise<ChatCompletion | ChunkStream>
    }
  }
  readonly embeddings: {
    create(
      params: EmbeddingParams & { readonly encoding_format: 'base64' },
      options?: CallOptions,
    ): Promise<EmbeddingList<string>>
    create(params: EmbeddingParams, options?: CallOptions): Promise<EmbeddingList>
  }
  readonly models: { list(): Promise<ModelPage> & AsyncIterable<ListedModel> }
  /** For the official client itself: `new OpenAI({ baseURL, apiKey: 'none', fetch })`. No request leaves the page. */
  readonly fetch: LocalFetch
}

/** The OpenAI API over a client. Nothing is loaded until it is called. */
export function createOpenAI(client: InteropClient, options: CreateOpenAIOptions = {}): OpenAIOnDevice {
  const { models = {}, embeddingPurpose: purpose = 'document', now = Date.now, createId = randomId } = options
  const settings: ChatSettings = { client, models, now, createId }

  async function createChat(params: ChatCompletionParams, call: CallOptions = {}) {
    return params?.stream ? streamChat(settings, params, call) : completeChat(settings, params, call)
  }

  async function createEmbeddings(params: EmbeddingParams, { signal }: CallOptions = {}) {
    try {
      return await embedTexts(client, params, { models, purpose, signal: signal ?? undefined })
    } catch (error) {
      throw toApiError(error)
    }
  }

  async function listModels(): Promise<ModelPage> {
    try {
      const rows = await client.models.list()
      const usable = rows.filter(({ refused }) => refused === undefined)
      const data = usable.map(({ id }) => ({ id, object: 'model' as const, created: 0, owned_by: 'device' }))
      return { object: 'list', data, [Symbol.asyncIterator]: () => iterateList(data) }
    } catch (error) {
      throw toApiError(error)
    }
  }

  return {
    // The overloads say by `stream` and `encoding_format` which of the results it is.
    chat: { completions: { create: createChat as OpenAIOnDevice['chat']['completions']['create'] } },
    embeddings: { create: createEmbeddings as OpenAIOnDevice['embeddings']['create'] },
    models: {
      list() {
        const page = listModels()
        return Object.assign(page, {
          async *[Symbol.asyncIterator]() {
            yield* (await page).data
          },
        })
      },
    },
    fetch: createLocalFetch({ createChat, createEmbeddings, listModels }),
  }
}

async function* iterateList<Item>(items: readonly Item[]): AsyncGenerator<Item> {
  yield* items
}

function randomId(): string {
  return crypto.randomUUID().replaceAll('-', '')
}

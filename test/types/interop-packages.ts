// The types of the real packages accept what `alcove/openai` and `alcove/ai-sdk` give. Checked by the compiler; nothing here runs.
import type { EmbeddingModelV4, LanguageModelV4 } from '@ai-sdk/provider'
import type { ChatTransport, UIMessage } from 'ai'
import { createAlcove } from 'alcove'
import { createChatTransport, createEmbeddingModel, createLanguageModel } from 'alcove/ai-sdk'
import { createOpenAI } from 'alcove/openai'
import OpenAI from 'openai'
import type { Stream } from 'openai/core/streaming'

const alcove = createAlcove()
const local = createOpenAI(alcove)

/** As the official client, with plain promises and async iterables where it has classes with private fields. */
interface OfficialCalls {
  completion(
    body: OpenAI.ChatCompletionCreateParamsNonStreaming,
    options?: OpenAI.RequestOptions,
  ): Promise<OpenAI.ChatCompletion>
  stream(
    body: OpenAI.ChatCompletionCreateParamsStreaming,
    options?: OpenAI.RequestOptions,
  ): Promise<AsyncIterable<OpenAI.ChatCompletionChunk> & Pick<Stream<unknown>, 'controller' | 'toReadableStream'>>
  embeddings(
    body: OpenAI.EmbeddingCreateParams,
    options?: OpenAI.RequestOptions,
  ): Promise<OpenAI.CreateEmbeddingResponse>
  models(): Promise<{ data: OpenAI.Model[] }> & AsyncIterable<OpenAI.Model>
}
export const calls: OfficialCalls = {
  completion: local.chat.completions.create,
  stream: local.chat.completions.create,
  embeddings: local.embeddings.create,
  models: local.models.list,
}

/** The official client itself, over the local `fetch`. */
export const official = new OpenAI({ apiKey: 'none', baseURL: 'https://device.invalid/v1', fetch: local.fetch })

export const languageModel: LanguageModelV4 = createLanguageModel(alcove)
export const embeddingModel: EmbeddingModelV4 = createEmbeddingModel(alcove)
export const transport: ChatTransport<UIMessage> = createChatTransport(alcove.agent())

import type { MLCEngine } from '@mlc-ai/web-llm'
import type { ModelPart, ModelRequest } from '../../protocol/model.js'
import { systemClock } from '../../runtime/clock.js'
import { estimateTokens, flattenMessages, imagesOf } from '../flat-messages.js'
import type { ModelSession } from '../session-model.js'
import { isFatalToWebLlm, translateWebLlmError } from './errors.js'
import type { ImageReader, PreparedImages } from './images.js'
import { continuationBody, refuseBegun, requestBody, streamChat, type WebLlmBody } from './parts.js'
import {
  type ConversationTemplate,
  continuationPrompt,
  countPrompt,
  droppedSpace,
  type WebLlmTokenizer,
} from './prompt.js'
import { serveImages } from './serve-images.js'
import { limitToTopK } from './top-k.js'
import type { Vision } from './vision.js'

/** Freeing a lost device may never end. */
const UNLOAD_TIMEOUT_MS = 3_000

interface Config {
  readonly conv_template: ConversationTemplate
  readonly conv_config?: Partial<ConversationTemplate>
  readonly context_window_size?: number
  readonly sliding_window_size?: number
}

interface Pipeline {
  readonly tokenizer?: { encode?(text: string): Int32Array }
  /** Tokens of the answer so far. */
  readonly outputIds?: readonly number[]
  /** Text of the answer so far. */
  readonly outputMessage?: string
}

/** Fields of `MLCEngine` that are private in its types (0.2.86). Everything works without them, with estimates. */
interface EngineInternals {
  readonly loadedModelIdToPipeline?: ReadonlyMap<string, Pipeline>
  readonly loadedModelIdToChatConfig?: ReadonlyMap<string, Config>
}

const internalsOf = (engine: MLCEngine) => engine as unknown as EngineInternals

/** Whether an engine has a model; WebLLM unloads it by itself when the device is lost. */
export const isLoaded = (engine: MLCEngine) => (internalsOf(engine).loadedModelIdToPipeline?.size ?? 1) > 0

/** The tokenizer of a loaded model; undefined where WebLLM does not let us reach it. */
export function tokenizerOf(engine: MLCEngine, webLlmId: string): WebLlmTokenizer | undefined {
  const tokenizer = internalsOf(engine).loadedModelIdToPipeline?.get(webLlmId)?.tokenizer
  return typeof tokenizer?.encode === 'function' ? (tokenizer as WebLlmTokenizer) : undefined
}

/** Serves requests from a loaded engine. @param images reads the pictures of requests */
export function createWebLlmSession(
  modelId: string,
  webLlmId: string,
  engine: MLCEngine,
  usualContext: number,
  { vision, images }: { readonly vision: Vision; readonly images: ImageReader },
): ModelSession {
  const config = internalsOf(engine).loadedModelIdToChatConfig?.get(webLlmId)
  const template = config && { ...config.conv_template, ...config.conv_config }
  const takesImages = vision.inputs.includes('image')
  // A manifest's texts are not set in by `String.replace`.
  const replaced = template && vision.hasManifest ? { ...template, role_templates: undefined } : template
  let dead = false

  const prepare = async (request: ModelRequest, signal?: AbortSignal): Promise<PreparedImages> =>
    takesImages ? images.prepare(request.messages.flatMap(imagesOf), signal) : new Map()

  const count = (request: ModelRequest, prepared: PreparedImages): number | undefined => {
    const tokenizer = tokenizerOf(engine, webLlmId)
    if (!template || !tokenizer) return undefined
    const pictures = [...prepared.values()].reduce((sum, image) => sum + vision.tokensOf(image), 0)
    try {
      return countPrompt(template, tokenizer, request) + pictures
    } catch {
      return undefined
    }
  }

  /** A request in WebLLM's form; one that begins the answer is written out as a prompt. */
  const bodyOf = (request: ModelRequest, prepared: PreparedImages): WebLlmBody => {
    const messages = flattenMessages(request.messages, takesImages)
    if (messages.at(-1)?.role !== 'assistant') return requestBody(request, replaced, takesImages ? prepared : undefined)
    const tokenizer = tokenizerOf(engine, webLlmId)
    const thinks = request.sampling?.reasoning !== 'off'
    const prompt = template && tokenizer && continuationPrompt(template, tokenizer, messages, thinks)
    if (prompt === undefined) throw refuseBegun(`which '${modelId}' cannot go on from`)
    return continuationBody(request, prompt)
  }

  const pipeline = () => internalsOf(engine).loadedModelIdToPipeline?.get(webLlmId)

  const missingBefore = (prompt: string, firstText: string): string => {
    const tokenizer = tokenizerOf(engine, webLlmId)
    const ids = pipeline()?.outputIds ?? []
    return tokenizer ? droppedSpace(tokenizer, prompt, ids, firstText) : ''
  }

  return {
    contextTokens:
      config?.context_window_size && config.context_window_size > 0 ? config.context_window_size : usualContext,
    get spent() {
      return dead || !isLoaded(engine)
    },
    async *generate(request, signal): AsyncGenerator<ModelPart> {
      const prepared = await prepare(request, signal)
      yield { type: 'status', status: 'prefill', message: 'Reading the prompt', modelId }
      const endServing = serveImages(prepared.values())
      const endTopK = limitToTopK(engine, webLlmId, request.sampling?.topK)
      try {
        const body = bodyOf(request, prepared)
        const isBegun = 'prompt' in body
        yield* streamChat(engine, body, {
          signal,
          promptTokens: count(request, prepared),
          prefixTokens: isBegun ? 0 : template?.system_prefix_token_ids?.length,
          stop: request.sampling?.stop,
          finalText: () => pipeline()?.outputMessage,
          missingBefore: isBegun ? (text) => missingBefore(body.prompt, text) : undefined,
          onStuck() {
            dead = true
          },
        })
      } catch (error) {
        const failure = translateWebLlmError(error, modelId, 'run')
        dead ||= isFatalToWebLlm(failure)
        throw failure
      } finally {
        endServing()
        endTopK()
      }
    },
    async countTokens(request) {
      return count(request, await prepare(request)) ?? estimateTokens(request, takesImages)
    },
    async close() {
      dead = true
      await engine.interruptGenerate()
      const unloaded = engine.unload().catch(() => {})
      await Promise.race([unloaded, systemClock.sleep(UNLOAD_TIMEOUT_MS)])
    },
  }
}

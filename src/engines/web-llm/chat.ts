import type { ChatModel, ChatModelCapabilities } from '../../protocol/model.js'
import type { ChatEngine, ModelSpec } from '../engine.js'
import { createSessionModel } from '../session-model.js'
import { createImageReader } from './images.js'
import {
  createTools,
  inspectWebLlm,
  openWebLlm,
  removeWebLlm,
  type Tools,
  USUAL_CONTEXT,
  type WebLlmOptions,
} from './load.js'
import { checkRequest } from './parts.js'
import { createWebLlmSession } from './session.js'
import { visionOf } from './vision.js'

/**
 * Models compiled for WebGPU, run by WebLLM in this thread. Their files come through the weight loader, as those of all engines.
 * `countTokens` of a loaded model is exact for text; before that it is an estimate that is too high.
 */
export function createWebLlmChat(options: WebLlmOptions = {}): ChatEngine {
  const tools = createTools('chat', options)
  return {
    inspect: (spec, inspectOptions) => inspectWebLlm(spec, tools, inspectOptions),
    create: (spec) => createModel(spec, tools),
    remove: (spec) => removeWebLlm(spec, tools),
  }
}

/** The engine as it is used. */
export const webLlmChat: ChatEngine = createWebLlmChat()

function createModel(spec: ModelSpec, tools: Tools): ChatModel {
  let inputs: ChatModelCapabilities['inputs'] = spec.inputs ?? ['text']
  const images = createImageReader({ allowRemote: spec.allowRemote, fetch: tools.fetch })
  return createSessionModel({
    id: spec.id,
    contextTokens: spec.contextTokens ?? USUAL_CONTEXT,
    capabilities: {
      tools: 'none',
      grammar: 'ebnf',
      /** As far as the id tells, until the loaded model does. */
      get inputs() {
        return inputs
      },
      prefixReuse: true,
      trust: spec.trust ?? 'answer',
      dialect: spec.dialect,
    },
    device: 'webgpu',
    check: (request) => checkRequest(request, inputs.includes('image')),
    async open(context) {
      const { engine, record } = await openWebLlm(spec, tools, context)
      const vision = visionOf(engine, record.model_id, spec.inputs)
      inputs = vision.inputs
      const usualContext = spec.contextTokens ?? USUAL_CONTEXT
      return createWebLlmSession(spec.id, record.model_id, engine, usualContext, { vision, images })
    },
  })
}

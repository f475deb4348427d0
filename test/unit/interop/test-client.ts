import { createAgent } from '../../../src/agents/agent.js'
import { type ScriptedModelOptions, type ScriptedTurnSource, scriptedModel } from '../../../src/engines/scripted.js'
import type { InteropClient } from '../../../src/interop/client.js'
import { hashEmbedder } from '../../../src/testing/hash-embedder.js'

/** A client of a scripted model, with the models that were asked for. */
export function makeClient(turns: readonly ScriptedTurnSource[], options: ScriptedModelOptions = {}) {
  const model = scriptedModel(turns, options)
  const asked: (string | undefined)[] = []
  const client: InteropClient = {
    agent({ model: id, ...rest } = {}) {
      asked.push(id)
      return createAgent({ ...rest, model })
    },
    embeddingModel: async () => hashEmbedder({ dimensions: 8 }),
    models: {
      list: async () => [{ id: model.id }, { id: 'webllm:big', refused: { code: 'out-of-memory', reason: 'big' } }],
    },
  }
  return { client, model, asked }
}

export const weather = {
  name: 'weather',
  description: 'The weather in a city',
  parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
}

import type { LogitProcessor, MLCEngine } from '@mlc-ai/web-llm'

/** The `count` largest values stay, and what equals the least of them; the others become impossible. Changes the list. */
export function keepLargest(logits: Float32Array, count: number): Float32Array {
  if (count >= logits.length) return logits
  const least = Float32Array.from(logits).sort()[logits.length - count] ?? Number.NEGATIVE_INFINITY
  for (let index = 0; index < logits.length; index++) {
    if ((logits[index] as number) < least) logits[index] = Number.NEGATIVE_INFINITY
  }
  return logits
}

/** Fields of WebLLM's engine that are private in its types (0.2.86). */
interface SamplerInternals {
  readonly loadedModelIdToPipeline?: ReadonlyMap<string, { logitProcessor?: LogitProcessor | undefined }>
}

/**
 * Lets only the `topK` most likely tokens be chosen until the returned function is called. WebLLM has no such option; its processor of logits
 * can do it, but fetches them from the graphics card for each token, so it is there for the requests only that ask for it.
 */
export function limitToTopK(engine: MLCEngine, webLlmId: string, topK: number | undefined): () => void {
  const pipeline = (engine as unknown as SamplerInternals).loadedModelIdToPipeline?.get(webLlmId)
  if (topK === undefined || !pipeline || !('logitProcessor' in pipeline)) return () => {}
  pipeline.logitProcessor = {
    processLogits: (logits) => keepLargest(logits, topK),
    processSampledToken() {},
    resetState() {},
  }
  return () => {
    pipeline.logitProcessor = undefined
  }
}

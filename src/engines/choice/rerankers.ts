import type { ModelSpec } from '../engine.js'
import { createModelSpec, type ModelSources } from './model-spec.js'

/** A model that searches are reranked with. */
export interface RerankerChoice {
  readonly spec: ModelSpec
  readonly title: string
  /** SPDX identifier, where known. */
  readonly licence: string | undefined
}

/** MiniLM trained on MS MARCO's questions to order passages: 23 MB, English. */
const usual = {
  id: 'transformers:Xenova/ms-marco-MiniLM-L-6-v2',
  title: 'MS MARCO MiniLM L6 (reranker)',
  licence: 'Apache-2.0',
  languages: ['en'],
} as const

/**
 * The model that `rerank` names.
 * @throws AlcoveError `invalid-argument` for an id that is none
 */
export function describeReranker(rerank: true | string, sources: ModelSources): RerankerChoice {
  const id = rerank === true ? usual.id : rerank
  const spec = createModelSpec(id, sources)
  if (id !== usual.id) return { spec, title: id, licence: undefined }
  return { spec: { ...spec, languages: usual.languages }, title: usual.title, licence: usual.licence }
}

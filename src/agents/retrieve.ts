import type { Hit } from '../protocol/corpus.js'
import type { Message } from '../protocol/message.js'
import type { ChatModel } from '../protocol/model.js'
import { abortable } from '../runtime/abort.js'
import { createDocuments, type Documents } from './documents.js'
import type { Job } from './loop.js'
import { lastUserText } from './read-input.js'
import { restOfCorpus } from './whole-corpus.js'

/** What the agent's corpus has on the question. @param resolving the run's model, should it be asked for queries */
export async function searchDocuments(
  job: Job,
  conversation: readonly Message[],
  resolving: Promise<ChatModel>,
): Promise<readonly Hit[]> {
  const { options, control, meter, clock } = job
  const { corpus, retrieval = {} } = options
  if (corpus === undefined) return []
  const { topK = 10, mode, where, weights, diversity, rerank, rewrite } = retrieval
  control.emit({ type: 'status', status: 'searching', message: `Searching ${corpus.name}` })
  const startedAt = clock.now()
  const { signal } = control
  const question = lastUserText(conversation)
  const more = rewrite ? await (await import('./rewrite-query.js')).writeQueries(job, conversation, resolving) : []
  const query = more.length > 0 ? [question, ...more] : question
  const search = { topK, mode, where, weights, diversity, rerank, signal }
  const hits = await abortable(corpus.search(query, search), signal)
  meter.addTime('searchMs', clock.now() - startedAt)
  return hits
}

/** The documents' part in a run. With a model that is not to be trusted alone, the quoted answer comes first, unless it was told before. */
export async function openDocuments(
  { options, control, record, meter }: Job,
  given: {
    readonly model: ChatModel
    readonly hits: readonly Hit[]
    readonly conversation: readonly Message[]
    readonly isResumed: boolean
  },
): Promise<Documents> {
  const { model, hits, conversation, isResumed } = given
  const documents = createDocuments({
    hits,
    model,
    question: lastUserText(conversation),
    passageTokens: options.retrieval?.passageTokens,
    sampling: options.sampling,
  })
  if (model.capabilities.trust !== 'draft') {
    const { corpus, retrieval } = options
    // A filter leaves out what must not be seen.
    if (corpus && retrieval?.where === undefined) {
      const rest = restOfCorpus(corpus, hits, documents.budgetTokens)
      documents.complete(await abortable(rest, control.signal))
    }
    return documents
  }
  const { text, citations } = await documents.quote()
  if (isResumed) return documents
  record.text = text
  record.citations = [...citations]
  meter.markToken()
  control.emit({ type: 'text-delta', text })
  for (const citation of citations) control.emit({ type: 'citation', ...citation })
  const parts = citations.map((citation) => ({ type: 'citation' as const, ...citation }))
  record.messages = [{ role: 'assistant', content: parts.length > 0 ? [{ type: 'text', text }, ...parts] : text }]
  return documents
}

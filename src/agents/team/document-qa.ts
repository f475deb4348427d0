import type { Corpus, Hit, Metadata } from '../../protocol/corpus.js'
import { toAlcoveError } from '../../protocol/error.js'
import type { ChatModel } from '../../protocol/model.js'
import { abortable } from '../../runtime/abort.js'
import { createLru, type Lru } from '../../runtime/lru.js'
import { canonicalJson, sha256Hex } from '../../text/hash.js'
import {
  type Agent,
  type AgentEnvironment,
  agentOf,
  createAgent,
  type Execute,
  executeLoop,
  type RunJob,
} from '../agent.js'
import type { AgentOptions, RetrievalOptions } from '../options.js'
import { hitsOf, type Note, noteFor, notesText, readNote } from './document-notes.js'
import { foundCorpus, readParts } from './document-parts.js'
import type { ModelOptions, TeamOptions } from './members.js'
import { type Prompter, type Prompts, prompter } from './prompts.js'
import { endsRun, perform, type Stage } from './stage.js'

type QaPrompt = 'read' | 'readTask' | 'reduce' | 'nothingFound'

export interface DocumentQaOptions extends TeamOptions, ModelOptions {
  readonly corpus: Corpus
  /**
   * `simple`: answers from the passages that a search finds. `parallel`: reads all documents part by part for the question, then answers from
   * what was found. A model that is too weak for that (trust `draft`, or the extractive answerer) always searches. @default 'simple'
   */
  readonly mode?: 'simple' | 'parallel' | undefined
  readonly instructions?: string | undefined
  readonly retrieval?: RetrievalOptions | undefined
  /** About how many tokens are read at a time, at most a third of the model's context. @default 1000 */
  readonly partTokens?: number | undefined
  /** More parts fail with `too-large`. @default 500 */
  readonly maxParts?: number | undefined
  /** How many parts are read at once. Engines on this device answer one request at a time whatever is said here. @default 5 */
  readonly maxParallel?: number | undefined
  readonly limits?: AgentOptions['limits']
  readonly prompts?: Prompts<QaPrompt> | undefined
}

/** Notes that are kept: of parts and questions that were read before. */
const CACHE = { maxEntries: 5000, maxBytes: 5_000_000 }
const NOTE_TOKENS = 300
/** Engines that run on this device, one request at a time. */
const LOCAL = /^(webllm|transformers|wllama|prompt-api)(:|$)/

const NOTE_SCHEMA = {
  type: 'object',
  properties: { relevant: { type: 'boolean' }, answer: { type: 'string' }, quote: { type: 'string' } },
  required: ['relevant', 'answer', 'quote'],
}

/** An agent that answers from documents, with citations whose quotes were checked to be there. */
export function createDocumentQa(options: DocumentQaOptions, environment?: AgentEnvironment): Agent {
  const { name = 'document-qa', description } = options
  return agentOf({ name, description }, executeDocumentQa(options), environment)
}

/** The runs of document QA. */
export function executeDocumentQa(options: DocumentQaOptions): Execute {
  const { mode = 'simple', model: given, corpus, instructions, retrieval, sampling, limits } = options
  const shared: AgentOptions = { model: given, corpus, instructions, retrieval, sampling, limits }
  const simple = executeLoop(shared)
  if (mode === 'simple') return simple
  const cache = createLru<Note | null>(CACHE)
  return async (job) => {
    const model = await resolve(given, job)
    const isWeak = model.capabilities.trust === 'draft' || model.id === 'extractive'
    if (isWeak) return await executeLoop({ ...shared, model })(job)
    return await perform('document-qa', job, (stage) => readAndAnswer(stage, { ...options, model }, cache))
  }
}

async function resolve(model: AgentOptions['model'], { control, cache }: RunJob): Promise<ChatModel> {
  if (typeof model !== 'function') return model
  const { signal, emit } = control
  return await abortable(model('documents', { signal, onProgress: emit, cache }), signal)
}

type Resolved = DocumentQaOptions & { readonly model: ChatModel }

async function readAndAnswer(stage: Stage, options: Resolved, cache: Lru<Note | null>) {
  const { corpus, model, instructions, retrieval, sampling } = options
  const write = prompter(options.prompts)
  const notes = await readAll(stage, options, write, cache)
  if (notes.length === 0) {
    const text = write('nothingFound', stage.language)
    stage.say(text)
    stage.add({ role: 'assistant', content: text })
    return 'stop'
  }
  const hits = await abortable(hitsOf(corpus, notes, stage.signal), stage.signal)
  const writer = createAgent({
    name: 'writer',
    model,
    instructions,
    sampling,
    corpus: foundCorpus(corpus, hits),
    retrieval: { topK: hits.length, passageTokens: retrieval?.passageTokens },
  })
  const text = notesText(notes, Math.floor(model.contextTokens / 8))
  const question = write('reduce', stage.language, { notes: text, question: stage.question })
  const at = stage.conversation.findLastIndex(({ role }) => role === 'user')
  const input = stage.conversation.with(at, { role: 'user', content: question })
  return (await stage.run(writer, input, { isAnswer: true, schema: stage.job.schema })).finish.reason
}

/** What each part says about the question; parts that say nothing are left out. Throws when no part could be read. */
async function readAll(
  stage: Stage,
  options: Resolved,
  write: Prompter<QaPrompt>,
  cache: Lru<Note | null>,
): Promise<Note[]> {
  const { corpus, model, retrieval, maxParts = 500, maxParallel = 5 } = options
  const where: Metadata | undefined = retrieval?.where
  const partTokens = Math.max(50, Math.min(options.partTokens ?? 1000, Math.floor(model.contextTokens / 3)))
  const parts = await abortable(readParts(corpus, { partTokens, maxParts, where }), stage.signal)
  const atOnce = LOCAL.test(model.id) ? 1 : maxParallel
  stage.tell({
    type: 'status',
    status: 'searching',
    message: `Reading ${corpus.name} in ${parts.length} parts, ${atOnce === 1 ? 'one' : atOnce} at a time`,
  })
  const reader = createAgent({
    name: 'reader',
    model,
    instructions: write('read', stage.language),
    sampling: { temperature: 0, maxTokens: NOTE_TOKENS, ...options.sampling },
  })
  const reading = { reader, model, write, cache }
  const results = await settleAll(parts, atOnce, async (part) => await readPart(stage, part, reading))
  const notes: Note[] = []
  let failure: unknown
  let failed = 0
  for (const result of results) {
    if (result.status === 'fulfilled') result.value && notes.push(result.value)
    else if (endsRun(result.reason, stage)) throw result.reason
    else {
      failed++
      failure = result.reason
    }
  }
  if (failed === parts.length && failed > 0) throw toAlcoveError(failure, 'internal')
  if (failed > 0) stage.tell({ type: 'status', status: 'searching', message: `${failed} parts could not be read` })
  return notes
}

/** Does something with each item, so many at once, begun in their order. */
async function settleAll<Item, Result>(items: readonly Item[], atOnce: number, work: (item: Item) => Promise<Result>) {
  const results: PromiseSettledResult<Result>[] = []
  const left = items.entries()
  const takeNext = async () => {
    for (const [at, item] of left) {
      const [result] = await Promise.allSettled([work(item)])
      results[at] = result
    }
  }
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, takeNext))
  return results
}

interface Reading {
  readonly reader: Agent
  readonly model: ChatModel
  readonly write: Prompter<QaPrompt>
  readonly cache: Lru<Note | null>
}

async function readPart(stage: Stage, part: Hit, { reader, model, write, cache }: Reading): Promise<Note | undefined> {
  const { language, question } = stage
  const { source, text } = part
  const task = write('readTask', language, { title: source.title, text: text.replaceAll(/<\/?part>/gi, ''), question })
  const key = await sha256Hex(canonicalJson([model.id, write('read', language), task]))
  const known = cache.get(key)
  if (known !== undefined) return known === null ? undefined : noteFor(part, known)
  const { object } = await stage.run(reader, task, { key: `read ${part.id}`, schema: NOTE_SCHEMA })
  const note = readNote(object, part)
  cache.set(key, note ?? null, text.length * 2)
  return note
}

// Options that consumers may and must not give. Nothing here runs; see parts.ts.

import {
  type AlcoveErrorCode,
  type ChatModel,
  type Corpus,
  createAgent,
  createAlcove,
  type EmbeddingModel,
  isAlcoveError,
  type StoredDocument,
} from 'alcove'
import { fakeClock, hashEmbedder, scriptedModel } from 'alcove/testing'
import { type Assertion, chatModelContract, corpusContract, storeContract } from 'alcove/testing/contracts'

declare const model: ChatModel
declare const maybe: string | undefined
declare const corpus: Corpus
declare const expect: (value: unknown, message?: string) => Assertion

export function clients(): void {
  createAlcove()
  createAlcove({ model: 'auto' })
  createAlcove({ model: ['webllm:some-model', model, 'extractive'], embedder: hashEmbedder({ dimensions: 8 }) })
  createAlcove({ modelBaseUrl: maybe, storage: undefined, cache: { maxEntries: undefined } })
  createAlcove({ cache: false, confirmDownload: async ({ id }) => id.length > 0 })
  // @ts-expect-error a misspelt option
  createAlcove({ modle: 'auto' })
  // @ts-expect-error a misspelt option inside
  createAlcove({ storage: { nmae: 'x' } })
  // @ts-expect-error bytes are a number
  createAlcove({ maxDownloadBytes: '200 MB' })
  // @ts-expect-error the cache is options or false
  createAlcove({ cache: true })
  // @ts-expect-error an embedding model is no chat model
  createAlcove({ model: hashEmbedder({ dimensions: 8 }) })
  // @ts-expect-error nor the other way round
  createAlcove({ embedder: scriptedModel([]) })
}

export async function agents(): Promise<void> {
  const alcove = createAlcove()
  alcove.agent({ corpus, maxSteps: 3, sampling: { temperature: 0 }, toolChoice: { name: 'look' } })
  createAgent({ model, stopWhen: ({ steps, usage }) => steps > 2 && usage.totalTokens > 10 })
  // @ts-expect-error an agent of its own needs a model
  createAgent({})
  // @ts-expect-error a misspelt option
  alcove.agent({ maxStep: 3 })
  // @ts-expect-error a tool is made with tool()
  alcove.agent({ tools: [{ name: 'look' }] })
  // @ts-expect-error no such choice
  alcove.agent({ toolChoice: 'always' })
  // @ts-expect-error there is nothing to ask
  alcove.agent().stream()
  // @ts-expect-error a signal, not its controller
  alcove.agent().stream('x', { signal: new AbortController() })
  const { text, citations, finish } = await alcove.agent().generate('x')
  text satisfies string
  citations[0]?.verified satisfies boolean | undefined
  // @ts-expect-error no such reason
  if (finish.reason === 'done') return
}

export async function documents(): Promise<void> {
  const run = corpus.add([new Blob(['x']), { title: 'a', text: 'b', metadata: { year: 2020 } }])
  for await (const progress of run) progress.type.length
  const { added, failed } = await run
  added satisfies number
  failed[0]?.hint satisfies string | undefined
  const stored = await corpus.get('x')
  stored satisfies StoredDocument | undefined
  // @ts-expect-error there may be none of that id
  stored.text
  // @ts-expect-error metadata is flat
  corpus.add({ text: 'x', metadata: { nested: {} } })
  // @ts-expect-error no such mode
  corpus.search('x', { mode: 'fuzzy' })
  // @ts-expect-error a misspelt option
  corpus.search('x', { topk: 3 })
}

export function errors(error: unknown): void {
  // @ts-expect-error what was caught is not known
  error.code
  if (isAlcoveError(error)) {
    error.code satisfies AlcoveErrorCode
    error.hint satisfies string
    // @ts-expect-error codes do not change
    error.code = 'aborted'
    // @ts-expect-error no such code
    if (error.code === 'out-of-milk') return
  }
  // @ts-expect-error no such code
  isAlcoveError(error, 'out-of-milk')
}

export function testing(): void {
  const scripted = scriptedModel([
    'text',
    { toolCalls: [{ name: 'look', input: {} }] },
    ({ messages }) => `${messages.length}`,
  ])
  scripted satisfies ChatModel
  scripted.requests[0]?.messages satisfies readonly unknown[] | undefined
  fakeClock().now() satisfies number
  hashEmbedder({ dimensions: 4 }) satisfies EmbeddingModel
  // @ts-expect-error a turn is text, an object or a function
  scriptedModel([5])
  const runner = { test: (_name: string, _run: () => Promise<void>) => {}, expect }
  chatModelContract(runner, async () => scripted)
  // @ts-expect-error the factory gives a promise
  chatModelContract(runner, () => scripted)
  // @ts-expect-error a chat model is no store
  storeContract(runner, async () => scripted)
  // @ts-expect-error nor a host of corpora
  corpusContract(runner, async () => scripted)
}

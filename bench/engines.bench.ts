import { type Remote, wrap } from 'comlink'
import type { Message } from '../src/protocol/message.js'
import type { ModelPart } from '../src/protocol/model.js'
import type { BareWllama } from './engines.worker.js'
import { missingModel } from './lib/client.js'
import { type EngineModel, openEngine, timeAnswer } from './lib/engine-model.js'
import { type BenchContext, type Figure, measureOf, type Report } from './lib/result.js'
import { itemOf, sleep, takeTurns, timeOf } from './lib/rounds.js'
import { summarize } from './lib/statistics.js'
import type { BareApi } from './throughput.worker.js'

export const what =
  'Chat engines in their worker: first text and whole answers against the bare engine, the tenth turn of a chat, aborts, load and unload.'

const CHAT = 'SmolLM2-135M-Instruct'
const STORY = 'stories260K'
const MOST_TOKENS = 300
const GGUF = `wllama:${STORY}/${STORY}.gguf`
const greedy = (maxTokens: number) => ({ temperature: 0, maxTokens })
const ask = (content: string, maxTokens: number) => ({
  messages: [{ role: 'user' as const, content }],
  sampling: greedy(maxTokens),
})

const QUESTIONS = [
  'Which town has the oldest harbour on this coast?',
  'What do people eat there in winter?',
  'Tell me about the lighthouse near the town.',
  'How far is it from the station to the beach?',
  'Who keeps the boats when a storm comes?',
]
const LONG = `Read this and say what it is about. ${QUESTIONS.join(' ')} ${QUESTIONS.toReversed().join(' ')}`

/** The time to the first text of a prompt that nothing is known of, against the bare library. */
async function measureFirstText(context: BenchContext): Promise<Figure> {
  const own = openEngine(context, `transformers:${CHAT}`)
  const worker = new Worker(new URL('./throughput.worker.ts', import.meta.url), { type: 'module' })
  const bare: Remote<BareApi> = wrap<BareApi>(worker)
  const runtimeUrl = new URL('/dist/workers/', globalThis.location.href).href
  await bare.load({ modelsUrl: context.modelsUrl ?? '', runtimeUrl, folder: CHAT, dtype: 'q4' })
  const samples = await takeTurns(
    {
      own: async () => {
        await own.model.dispose()
        await own.model.load()
        // As warm as the other one, with a prompt that has no beginning in common.
        const other = { role: 'system' as const, content: 'Be brief.' }
        await timeAnswer(own.model, { messages: [other, { role: 'user', content: LONG }], sampling: greedy(1) })
        const { firstMs, usage } = await timeAnswer(own.model, ask(LONG, 1))
        if ((usage?.cachedTokens ?? 0) > 8) throw new Error('expected a prompt that nothing is known of')
        return firstMs
      },
      bare: () => timeOf(() => bare.generate(LONG, 1, true)),
    },
    { rounds: context.quick ? 1 : 3, warmUp: 1 },
  )
  await own.host.close()
  worker.terminate()
  return {
    what: `Time to the first text of a new prompt, ${CHAT} on WebAssembly`,
    unit: 'ms',
    ...measureOf(summarize(samples.own)),
    baselines: [{ what: 'transformers.js alone in a worker', ...measureOf(summarize(samples.bare)) }],
  }
}

/** wllama alone and through the library's worker: a whole answer, and the time to the first text. */
async function measureWllama(context: BenchContext): Promise<Figure[]> {
  const own = openEngine(context, GGUF)
  const worker = new Worker(new URL('./engines.worker.ts', import.meta.url), { type: 'module' })
  const bare: Remote<BareWllama> = wrap<BareWllama>(worker)
  const wasmUrl = new URL('/dist/workers/wllama.wasm', globalThis.location.href).href
  await bare.load(new URL(`${STORY}/${STORY}.gguf`, context.modelsUrl).href, wasmUrl)
  const first = { own: [] as number[], bare: [] as number[] }
  const texts = { own: new Map<string, string>(), bare: new Map<string, string>() }
  const prompts = ['Once upon a time', 'One day a boy', 'There was a dog', 'The sun was hot', 'Tim had a ball']
  const samples = await takeTurns(
    {
      own: async (round) => {
        const prompt = itemOf(prompts, round)
        const { text, decodeMs, firstMs } = await timeAnswer(own.model, ask(prompt, MOST_TOKENS))
        texts.own.set(prompt, text)
        if (round >= 0) first.own.push(firstMs)
        return firstMs + decodeMs
      },
      bare: async (round) => {
        const prompt = itemOf(prompts, round)
        const { text, decodeMs, firstMs } = await bare.complete(prompt, MOST_TOKENS)
        texts.bare.set(prompt, text)
        if (round >= 0) first.bare.push(firstMs)
        return firstMs + decodeMs
      },
    },
    { rounds: context.quick ? 1 : 15, warmUp: 1 },
  )
  await own.host.close()
  worker.terminate()
  for (const [prompt, text] of texts.own) {
    const other = texts.bare.get(prompt)
    if (other !== undefined && other !== text) throw new Error(`expected the same answer to '${prompt}' of both`)
  }
  const baseline = 'wllama alone in a worker, by a clock in that worker'
  return [
    {
      what: `An answer of up to ${MOST_TOKENS} tokens, ${STORY} as GGUF on WebAssembly`,
      unit: 'ms',
      ...measureOf(summarize(samples.own)),
      baselines: [{ what: baseline, ...measureOf(summarize(samples.bare)) }],
    },
    {
      what: `Time to the first text of a short prompt, ${STORY} as GGUF`,
      unit: 'ms',
      ...measureOf(summarize(first.own)),
      baselines: [{ what: baseline, ...measureOf(summarize(first.bare)) }],
    },
  ]
}

/** Nine turns of a conversation; the tenth is the last user message. */
async function talk({ model }: EngineModel, turns: number, answerTokens: number): Promise<Message[]> {
  const messages: Message[] = [{ role: 'system', content: 'You are a guide of a small town by the sea. Be brief.' }]
  for (let turn = 0; turn < turns - 1; turn++) {
    messages.push({ role: 'user', content: `${turn + 1}. ${itemOf(QUESTIONS, turn)}` })
    const { text } = await timeAnswer(model, { messages, sampling: greedy(answerTokens) })
    messages.push({ role: 'assistant', content: text })
  }
  return [...messages, { role: 'user', content: `${turns}. ${itemOf(QUESTIONS, turns - 1)}` }]
}

async function measureTenthTurn(context: BenchContext) {
  const engine = openEngine(context, `transformers:${CHAT}`)
  const warm: number[] = []
  const cold: number[] = []
  let note = ''
  for (let round = 0; round < (context.quick ? 1 : 2); round++) {
    const messages = await talk(engine, context.quick ? 3 : 10, 12)
    const request = { messages, sampling: greedy(4) }
    const reused = await timeAnswer(engine.model, request)
    await engine.model.dispose()
    await engine.model.load()
    const anew = await timeAnswer(engine.model, request)
    if (anew.usage?.cachedTokens !== 0 || !reused.usage?.cachedTokens)
      throw new Error('expected one with reuse, one without')
    if (anew.text !== reused.text) throw new Error('expected the same answer with and without reuse')
    warm.push(reused.firstMs)
    cold.push(anew.firstMs)
    note = `Turn 10: ${reused.usage.promptTokens} tokens of prompt, ${reused.usage.cachedTokens} of them reused; the same answer both ways.`
    await engine.model.dispose()
    await engine.model.load()
  }
  await engine.host.close()
  const figure: Figure = {
    what: `Time to the first text at turn 10 of a chat, ${CHAT} on WebAssembly`,
    unit: 'ms',
    ...measureOf(summarize(warm)),
    baselines: [{ what: 'with no prefix reuse', ...measureOf(summarize(cold)) }],
    goal: { on: 'ratio', most: 0.25 },
  }
  return { figure, note }
}

type Stage = 'loading' | 'queued' | 'prefill' | 'decoding'

/** Aborts at a stage: how long until the stream has settled, and until the model has answered the next one. */
async function abortAt({ model }: EngineModel, stage: Stage, round: number) {
  if (stage === 'loading') await model.dispose()
  else await model.load()
  const running = stage === 'queued' ? timeAnswer(model, ask(`Count to ${round}.`, 24)) : undefined
  const controller = new AbortController()
  const reader = model.stream(ask(`${round}: ${LONG}`, 200), { signal: controller.signal }).getReader()
  const isReached = (part: ModelPart | undefined) =>
    stage === 'decoding' ? part?.type === 'text-delta' : part?.type === 'status' && part.status === stage
  for (;;) {
    const { done, value } = await reader.read()
    if (done) throw new Error(`the answer was over before '${stage}'`)
    if (isReached(value)) break
  }
  if (stage === 'prefill') await sleep(100)
  const began = performance.now()
  const settled = (async () => {
    for (;;) if ((await reader.read()).done) throw new Error('expected an aborted stream, got a whole one')
  })().catch((error: { code?: string }) => error.code)
  controller.abort()
  if ((await settled) !== 'aborted') throw new Error('expected the code `aborted`')
  const settledMs = performance.now() - began
  await running
  const freeFrom = performance.now()
  await timeAnswer(model, ask('Hi', 1))
  return { settledMs, freeMs: performance.now() - (running ? freeFrom : began) }
}

async function measureAborts(context: BenchContext): Promise<Figure[]> {
  const engine = openEngine(context, `transformers:${CHAT}`)
  const figures: Figure[] = []
  for (const stage of ['loading', 'queued', 'prefill', 'decoding'] as const) {
    const rounds = []
    for (let round = 0; round < (context.quick ? 1 : 3); round++) rounds.push(await abortAt(engine, stage, round))
    const name = stage === 'queued' ? 'in the queue' : `while ${stage === 'prefill' ? 'the prompt is read' : stage}`
    figures.push(
      {
        what: `Abort ${name}: until the stream has settled`,
        unit: 'ms',
        ...measureOf(summarize(rounds.map(({ settledMs }) => settledMs))),
        goal: { on: 'max', most: 100 },
      },
      {
        what: `Abort ${name}: until the next short answer has its first token`,
        unit: 'ms',
        ...measureOf(summarize(rounds.map(({ freeMs }) => freeMs))),
      },
    )
  }
  await engine.host.close()
  return figures
}

/** Runs the benchmark in this page. */
export async function run(context: BenchContext): Promise<Report> {
  const figures: Figure[] = []
  const notes = [
    'One thread, temperature 0. Where two are compared they take turns, each in its worker.',
    'stories260K takes less than a millisecond a token, so that the cost of everything else shows: it has no goal.',
  ]
  const skipped: string[] = []
  const noStory = missingModel(context, STORY)
  const noChat = missingModel(context, CHAT)
  if (noStory) skipped.push(noStory)
  else figures.push(...(await measureWllama(context)))
  if (noChat) skipped.push(noChat)
  else {
    figures.push(await measureFirstText(context))
    const { figure, note } = await measureTenthTurn(context)
    figures.push(figure, ...(await measureAborts(context)))
    notes.push(note)
  }
  return { figures, notes, skipped }
}

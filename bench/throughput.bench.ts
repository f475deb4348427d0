import { type Remote, wrap } from 'comlink'
import type { ChatModel } from '../src/protocol/model.js'
import type { BareWllama } from './engines.worker.js'
import { type AlcoveLibrary, loadAlcove } from './lib/alcove.js'
import { missingModel, openClient } from './lib/client.js'
import { openEngine } from './lib/engine-model.js'
import { keepSoFar } from './lib/keep.js'
import { type BenchContext, type Figure, measureOf, type Report } from './lib/result.js'
import { itemOf, takeTurns } from './lib/rounds.js'
import { summarize } from './lib/statistics.js'
import type { BareApi } from './throughput.worker.js'

export const what =
  'Tokens a second and time to the first text through an agent run, from worker to page, against the engine alone in a worker.'

interface ModelCase {
  readonly name: string
  readonly folder: string
  readonly id: string
  /** Of a library that is called as its manual shows. */
  readonly bare: 'transformers.js' | 'wllama'
  readonly device: 'wasm' | 'webgpu'
  readonly dtype: 'q4' | 'fp32'
  readonly maxTokens: number
  readonly rounds: number
  /** Only where a token takes as long as it does with a model that somebody would use. */
  readonly hasGoal: boolean
}

const CHAT = 'SmolLM2-135M-Instruct'
const STORY = 'stories260K'
const story = { folder: STORY, id: `transformers:${STORY}`, dtype: 'fp32', hasGoal: false } as const

const cases: readonly ModelCase[] = [
  {
    name: `${CHAT}, transformers.js on WebAssembly`,
    folder: CHAT,
    id: `transformers:${CHAT}`,
    bare: 'transformers.js',
    device: 'wasm',
    dtype: 'q4',
    maxTokens: 48,
    rounds: 7,
    hasGoal: true,
  },
  {
    ...story,
    name: `${STORY}, transformers.js on software WebGPU`,
    bare: 'transformers.js',
    device: 'webgpu',
    maxTokens: 40,
    rounds: 5,
    hasGoal: true,
  },
  {
    ...story,
    name: `${STORY}, transformers.js on WebAssembly`,
    bare: 'transformers.js',
    device: 'wasm',
    maxTokens: 400,
    rounds: 7,
  },
  {
    ...story,
    id: `wllama:${STORY}/${STORY}.gguf`,
    name: `${STORY}, wllama`,
    bare: 'wllama',
    device: 'wasm',
    maxTokens: 300,
    rounds: 15,
  },
]

const prompts = [
  'Write five sentences about a library in a small harbour town.',
  'Describe a walk through an old orchard in autumn, in five sentences.',
  'Explain in five sentences how bread is baked.',
  'Tell in five sentences what a lighthouse keeper does all day.',
  'Write five sentences about a train that crosses the mountains.',
]
const promptOf = (round: number) => `${itemOf(prompts, round)} Number ${round + 2}.`

interface Answer {
  readonly tokens: number
  readonly text: string
  readonly firstMs: number
  /** Tokens a second from the first to the last. */
  readonly rate: number
}

/** One answer through an agent, as its reader on the page sees it. */
async function readRun(
  { AlcoveError }: AlcoveLibrary,
  client: ReturnType<typeof openClient>,
  model: ChatModel,
  prompt: string,
  maxTokens: number,
): Promise<Answer & { readonly workerRate: number }> {
  const agent = client.agent({ model, sampling: { temperature: 0, maxTokens } })
  const began = performance.now()
  let firstAt: number | undefined
  let lastAt = 0
  let tokens = 0
  let workerRate = Number.NaN
  let deltas = 0
  let text = ''
  for await (const part of agent.stream(prompt)) {
    if (part.type === 'text-delta') {
      text += part.text
      lastAt = performance.now()
      firstAt ??= lastAt
      deltas += 1
    }
    if (part.type === 'usage') {
      tokens = part.usage.completionTokens
      workerRate = part.usage.tokensPerSecond ?? Number.NaN
    }
    if (part.type === 'error') throw new AlcoveError(part.error.code, part.error.message)
  }
  if (firstAt === undefined || deltas < 3) throw new Error(`expected a streamed answer, got ${deltas} deltas`)
  return { tokens, text, workerRate, firstMs: firstAt - began, rate: (1000 * (tokens - 1)) / (lastAt - firstAt) }
}

interface Bare {
  answer(prompt: string, maxTokens: number): Promise<Answer>
  close(): void
}

async function openBare(own: ModelCase, modelsUrl: string): Promise<Bare> {
  const runtimeUrl = new URL('/dist/workers/', globalThis.location.href).href
  if (own.bare === 'wllama') {
    const worker = new Worker(new URL('./engines.worker.ts', import.meta.url), { type: 'module' })
    const api: Remote<BareWllama> = wrap<BareWllama>(worker)
    await api.load(new URL(`${own.folder}/${own.folder}.gguf`, modelsUrl).href, `${runtimeUrl}wllama.wasm`)
    return {
      async answer(prompt, maxTokens) {
        const { text, tokens, firstMs, decodeMs } = await api.complete(prompt, maxTokens)
        return { text, tokens, firstMs, rate: (1000 * (tokens - 1)) / decodeMs }
      },
      close: () => worker.terminate(),
    }
  }
  const worker = new Worker(new URL('./throughput.worker.ts', import.meta.url), { type: 'module' })
  const api: Remote<BareApi> = wrap<BareApi>(worker)
  const { folder, dtype, device } = own
  await api.load({ modelsUrl, runtimeUrl, folder, dtype, device })
  return {
    async answer(prompt, maxTokens) {
      const { text, tokens, firstMs, decodeMs } = await api.generate(prompt, maxTokens, folder.includes('Instruct'))
      return { text, tokens, firstMs, rate: (1000 * (tokens - 1)) / decodeMs }
    },
    close: () => worker.terminate(),
  }
}

/** Answers by prompt, those of warm-up rounds included, and the times to the first text of the others. */
function createNotes() {
  const texts = new Map<string, string>()
  const lengths: number[] = []
  const firstMs: number[] = []
  return {
    texts,
    lengths,
    firstMs,
    note(round: number, prompt: string, answer: Answer): number {
      texts.set(prompt, answer.text.trim())
      lengths.push(answer.tokens)
      if (round >= 0) firstMs.push(answer.firstMs)
      return answer.rate
    },
  }
}

async function measureCase(library: AlcoveLibrary, context: BenchContext, own: ModelCase) {
  const { name, maxTokens, hasGoal } = own
  const bare = await openBare(own, context.modelsUrl ?? '')
  const client = openClient(library, context, { model: 'extractive', storage: { name: 'bench-throughput' } })
  const { model, host } = openEngine(context, own.id, { cacheName: 'bench-throughput-models', device: own.device })
  const byRun = createNotes()
  const alone = createNotes()
  /** By the engine's clock in the worker: parts that reach the page in bunches would make the reader's rate too good. */
  const workerRates: number[] = []
  const samples = await takeTurns(
    {
      run: async (round) => {
        const prompt = promptOf(round)
        const answer = await readRun(library, client, model, prompt, maxTokens)
        if (round >= 0) workerRates.push(answer.workerRate)
        return byRun.note(round, prompt, answer)
      },
      bare: async (round) => alone.note(round, promptOf(round), await bare.answer(promptOf(round), maxTokens)),
    },
    { rounds: context.quick ? 1 : own.rounds, warmUp: 1 },
  )
  await client.close()
  await host.close()
  bare.close()
  const shortest = Math.min(...byRun.lengths, ...alone.lengths)
  if (shortest < maxTokens / 8) throw new Error(`${name}: an answer of ${shortest} tokens is too short to measure`)
  const baseline = `${own.bare} alone in a worker, by a clock in that worker`
  const figures: Figure[] = [
    {
      what: `Tokens a second through a run, ${name}`,
      unit: 'tokens/s',
      ...measureOf(summarize(samples.run)),
      baselines: [{ what: baseline, ...measureOf(summarize(samples.bare)) }],
      ...(hasGoal && { goal: { on: 'ratio', least: 0.97 } as const }),
    },
    {
      what: `Time to the first text of a run, ${name}`,
      unit: 'ms',
      ...measureOf(summarize(byRun.firstMs)),
      baselines: [{ what: baseline, ...measureOf(summarize(alone.firstMs)) }],
    },
  ]
  const asked = [...byRun.texts.keys()].filter((prompt) => alone.texts.has(prompt))
  const same = asked.filter((prompt) => byRun.texts.get(prompt) === alone.texts.get(prompt)).length
  const range = (list: readonly number[]) => `${Math.min(...list)} to ${Math.max(...list)}`
  const note = `${name}: both wrote the same text for ${same} of ${asked.length} prompts; tokens an answer ${range(byRun.lengths)} by a run, ${range(alone.lengths)} alone; by the engine's own clock the runs had ${Math.round(summarize(workerRates).median * 10) / 10} tokens a second.`
  return { figures, note }
}

/** Runs the benchmark in this page. */
export async function run(context: BenchContext): Promise<Report> {
  const library = await loadAlcove()
  const figures: Figure[] = []
  const skipped: string[] = []
  const notes = [
    'From the first to the last token of an answer at temperature 0; one thread; the two take turns, each in its worker. A run reuses the beginning that its prompts have in common.',
    'stories260K takes about a millisecond a token on WebAssembly, so that the cost of everything else shows: it has no goal there.',
  ]
  const hasGpu = (await navigator.gpu?.requestAdapter()) != null
  for (const own of cases) {
    const missing = missingModel(context, own.folder)
    if (missing === undefined && (own.device === 'wasm' || hasGpu)) {
      const measured = await measureCase(library, context, own)
      figures.push(...measured.figures)
      notes.push(measured.note)
    } else skipped.push(missing ?? `${own.name}: this browser has no WebGPU`)
    await keepSoFar(what, { figures, notes, skipped })
  }
  return { figures, notes, skipped: [...new Set(skipped)] }
}

import { type Remote, wrap } from 'comlink'
import { type AlcoveLibrary, loadAlcove } from './lib/alcove.js'
import { missingModel, openClient } from './lib/client.js'
import { type BenchContext, type Figure, measureOf, type Report } from './lib/result.js'
import { itemOf, takeTurns } from './lib/rounds.js'
import { summarize } from './lib/statistics.js'
import type { BareApi } from './throughput.worker.js'

export const what =
  'Tokens a second through an agent run, from worker to page, against transformers.js alone in a worker.'

interface ModelCase {
  readonly folder: string
  readonly dtype: 'q4' | 'fp32'
  readonly maxTokens: number
  readonly rounds: number
  readonly hasGoal: boolean
}

const cases: readonly ModelCase[] = [
  { folder: 'SmolLM2-135M-Instruct', dtype: 'q4', maxTokens: 48, rounds: 7, hasGoal: true },
  { folder: 'stories260K', dtype: 'fp32', maxTokens: 400, rounds: 7, hasGoal: false },
]

const prompts = [
  'Write five sentences about a library in a small harbour town.',
  'Describe a walk through an old orchard in autumn, in five sentences.',
  'Explain in five sentences how bread is baked.',
  'Tell in five sentences what a lighthouse keeper does all day.',
  'Write five sentences about a train that crosses the mountains.',
]

/** Tokens a second of one answer through an agent, as its reader on the page sees them. */
async function readRun(
  library: AlcoveLibrary,
  client: ReturnType<typeof openClient>,
  prompt: string,
  maxTokens: number,
) {
  const agent = client.agent({ sampling: { temperature: 0, maxTokens } })
  const run = agent.stream(prompt)
  let firstAt: number | undefined
  let lastAt = 0
  let tokens = 0
  let workerRate = Number.NaN
  let deltas = 0
  let text = ''
  for await (const part of run) {
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
    if (part.type === 'error') throw new library.AlcoveError(part.error.code, part.error.message)
  }
  if (firstAt === undefined || deltas < 3) throw new Error(`expected a streamed answer, got ${deltas} deltas`)
  return { tokens, text, workerRate, rate: (1000 * (tokens - 1)) / (lastAt - firstAt) }
}

async function openBare({ folder, dtype }: ModelCase, modelsUrl: string) {
  const worker = new Worker(new URL('./throughput.worker.ts', import.meta.url), { type: 'module' })
  const api: Remote<BareApi> = wrap<BareApi>(worker)
  const runtimeUrl = new URL('/dist/workers/', globalThis.location.href).href
  await api.load({ modelsUrl, runtimeUrl, folder, dtype })
  return { api, close: () => worker.terminate() }
}

async function measureCase(library: AlcoveLibrary, context: BenchContext, own: ModelCase) {
  const { folder, maxTokens } = own
  const bare = await openBare(own, context.modelsUrl ?? '')
  const client = openClient(library, context, {
    model: `transformers:${folder}`,
    storage: { name: 'bench-throughput' },
  })
  const isChat = folder.includes('Instruct')
  const lengths = { run: [] as number[], bare: [] as number[] }
  /** By the engine's clock in the worker: parts that reach the page in bunches would make the reader's rate too good. */
  const workerRates: number[] = []
  const texts = { run: new Map<string, string>(), bare: new Map<string, string>() }
  const samples = await takeTurns(
    {
      run: async (round) => {
        const prompt = itemOf(prompts, round)
        const { tokens, text, rate, workerRate } = await readRun(library, client, prompt, maxTokens)
        lengths.run.push(tokens)
        texts.run.set(prompt, text)
        if (round >= 0) workerRates.push(workerRate)
        return rate
      },
      bare: async (round) => {
        const prompt = itemOf(prompts, round)
        const { tokens, text, decodeMs } = await bare.api.generate(prompt, maxTokens, isChat)
        lengths.bare.push(tokens)
        texts.bare.set(prompt, text)
        return (1000 * (tokens - 1)) / decodeMs
      },
    },
    { rounds: context.quick ? 1 : own.rounds, warmUp: 1 },
  )
  await client.close()
  bare.close()
  const shortest = Math.min(...lengths.run, ...lengths.bare)
  if (shortest < maxTokens / 4) throw new Error(`${folder}: an answer of ${shortest} tokens is too short to measure`)
  const asked = [...texts.run.keys()].filter((prompt) => texts.bare.has(prompt))
  const same = asked.filter((prompt) => texts.run.get(prompt)?.trim() === texts.bare.get(prompt)?.trim()).length
  const figure: Figure = {
    what: `Tokens a second through a run, ${folder} on WebAssembly`,
    unit: 'tokens/s',
    ...measureOf(summarize(samples.run)),
    baselines: [{ what: 'transformers.js alone in a worker', ...measureOf(summarize(samples.bare)) }],
    ...(own.hasGoal && { goal: { on: 'ratio', least: 0.97 } as const }),
  }
  const range = (list: readonly number[]) => `${Math.min(...list)} to ${Math.max(...list)}`
  const note = `${folder}: both wrote the same text for ${same} of ${asked.length} prompts; tokens an answer ${range(lengths.run)} by a run, ${range(lengths.bare)} alone; by the engine's own clock the runs had ${Math.round(summarize(workerRates).median * 10) / 10} tokens a second.`
  return { figure, note }
}

/** Runs the benchmark in this page. */
export async function run(context: BenchContext): Promise<Report> {
  const library = await loadAlcove()
  const figures: Figure[] = []
  const skipped: string[] = []
  const notes: string[] = []
  for (const own of cases) {
    const missing = missingModel(context, own.folder)
    if (missing !== undefined) {
      skipped.push(missing)
      continue
    }
    const { figure, note } = await measureCase(library, context, own)
    figures.push(figure)
    notes.push(note)
  }
  return {
    figures,
    notes: [
      'From the first to the last token of an answer at temperature 0; one thread; the two take turns, each in its worker.',
      'stories260K takes about a millisecond a token, so that the cost of everything else shows: it has no goal.',
      ...notes,
    ],
    skipped,
  }
}

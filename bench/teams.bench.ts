import type { StreamPart } from '../src/index.js'
import { type AlcoveLibrary, type AlcoveTesting, importBuilt, loadAlcove, loadTesting } from './lib/alcove.js'
import { missingModel, openClient } from './lib/client.js'
import { type BenchContext, type Figure, measureOf, type Report } from './lib/result.js'
import { takeTurns, timeOf } from './lib/rounds.js'
import { summarize } from './lib/statistics.js'

export const what =
  'Agents together: document QA side by side, the cost of a nested agent, a system prompt that agents share.'

type Agents = typeof import('../src/agents.js')
interface Library {
  readonly alcove: AlcoveLibrary
  readonly agents: Agents
  readonly testing: AlcoveTesting
}

const FOLDER = 'SmolLM2-135M-Instruct'
const PAGES = 100
/** What one reading takes, as a fast remote model's would. */
const READ_MS = 100

/** A corpus of one document of so many pages, held by the page itself: only the reading is measured. */
function pagesCorpus(pages: number) {
  const text = Array.from(
    { length: pages },
    (_, page) => `Page ${page}. ${'A calm day, and little to tell of it. '.repeat(80)}`,
  )
  const document = { id: 'log', title: 'Log', text: text.join('\n\n'), metadata: {} }
  return {
    name: 'log',
    list: async () => [{ id: 'log', title: 'Log' }],
    get: async () => document,
    search: async () => [],
    stats: async () => ({ documents: 1 }),
  }
}

async function measureDocumentQa({ agents, testing }: Library, quick: boolean): Promise<Figure> {
  const corpus = pagesCorpus(quick ? 10 : PAGES)
  const reading = '{"relevant": false, "answer": "", "quote": ""}'
  let parts = 0
  const read = (maxParallel: number) => async () => {
    const model = testing.scriptedModel(Array(1000).fill(reading), { delayMs: READ_MS })
    // The corpus has what document QA asks of one.
    const qa = agents.createDocumentQa({ corpus: corpus as never, model, mode: 'parallel', maxParallel })
    const ms = await timeOf(() => qa.generate('When did it rain?'))
    parts = model.requests.length
    return ms
  }
  const samples = await takeTurns({ together: read(5), single: read(1) }, { rounds: quick ? 1 : 4, warmUp: 0 })
  return {
    what: `Document QA over ${quick ? 10 : PAGES} pages (${parts} parts, ${READ_MS} ms each), five parts at a time`,
    unit: 'ms',
    ...measureOf(summarize(samples.together)),
    baselines: [{ what: 'one part at a time', ...measureOf(summarize(samples.single)) }],
    goal: { on: 'ratio', most: 0.25 },
  }
}

/** Microseconds for each delta of an answer that comes through so many agents around it. */
async function costOfPart({ alcove, testing }: Library, deltas: number, depth: number): Promise<number> {
  let agent = alcove.createAgent({ name: 'inner', model: testing.scriptedModel('x'.repeat(deltas), { chunkSize: 1 }) })
  for (let level = 0; level < depth; level++) {
    const { name } = agent
    const model = testing.scriptedModel([{ toolCalls: [{ name, input: { task: 'go' } }] }, 'done'])
    agent = alcove.createAgent({ name: `outer-${level}`, model, tools: [agent.asTool()] })
  }
  let read = 0
  const ms = await timeOf(async () => {
    for await (const part of agent.stream('Go') as AsyncIterable<StreamPart>) {
      if (part.type === 'text-delta' && part.text === 'x') read += 1
    }
  })
  if (read !== deltas) throw new Error(`expected ${deltas} deltas, got ${read}`)
  return (ms * 1000) / deltas
}

async function measureNesting(library: Library, quick: boolean): Promise<Figure[]> {
  const deltas = quick ? 1_000 : 20_000
  const contenders = {
    plain: () => costOfPart(library, deltas, 0),
    one: () => costOfPart(library, deltas, 1),
    three: () => costOfPart(library, deltas, 3),
  }
  const samples = await takeTurns(contenders, { rounds: quick ? 2 : 9 })
  const baselines = [{ what: 'the agent by itself', ...measureOf(summarize(samples.plain)) }]
  return [
    { what: 'A part of an agent that is a tool', unit: 'µs', ...measureOf(summarize(samples.one)), baselines },
    { what: 'A part of an agent three agents deep', unit: 'µs', ...measureOf(summarize(samples.three)), baselines },
  ]
}

const RULES =
  'You work for the harbour office. Be short and friendly. Name prices in crowns. Never promise a berth. '.repeat(6)

/** Share of the prompt that the engine need not read again, when a second agent asks after a first one. */
async function measurePrefix({ alcove }: Library, context: BenchContext): Promise<Figure> {
  const client = openClient(alcove, context, { model: `transformers:${FOLDER}`, storage: { name: 'bench-teams' } })
  const sampling = { temperature: 0, maxTokens: 1 }
  try {
    const share = (isShared: boolean) => async (round: number) => {
      const rules = (name: string) => (isShared ? RULES : `You are ${name}, number ${round}. ${RULES}`)
      await client
        .agent({ name: 'berths', instructions: rules('Berths'), sampling })
        .generate(`Is berth ${round} free?`)
      const second = client.agent({ name: 'fees', instructions: rules('Fees'), sampling })
      const { usage } = await second.generate(`What does berth ${round} cost?`)
      return (usage.cachedTokens / usage.promptTokens) * 100
    }
    const rounds = context.quick ? 1 : 4
    const samples = await takeTurns({ shared: share(true), own: share(false) }, { rounds, warmUp: 0 })
    return {
      what: `Prompt that is not read again, second agent with the same system prompt (${FOLDER})`,
      unit: '%',
      ...measureOf(summarize(samples.shared)),
      baselines: [{ what: 'with a system prompt of its own', ...measureOf(summarize(samples.own)) }],
    }
  } finally {
    await client.close()
  }
}

/** Runs the benchmark in this page. */
export async function run(context: BenchContext): Promise<Report> {
  const [alcove, agents, testing] = await Promise.all([
    loadAlcove(),
    importBuilt<Agents>('/dist/agents.js'),
    loadTesting(),
  ])
  const library = { alcove, agents, testing }
  const missing = missingModel(context, FOLDER)
  const figures = [await measureDocumentQa(library, context.quick), ...(await measureNesting(library, context.quick))]
  if (missing === undefined) figures.push(await measurePrefix(library, context))
  return {
    figures,
    notes: [
      `The scripted model takes ${READ_MS} ms for a part and no processor; engines on this device read one part at a time whatever is asked.`,
      'A nested part is counted from model to reader: it goes through each agent around it.',
    ],
    ...(missing !== undefined && { skipped: [`The shared system prompt: ${missing}`] }),
  }
}

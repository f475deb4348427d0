import { type AlcoveLibrary, loadAlcove } from './lib/alcove.js'
import { missingModel, openClient } from './lib/client.js'
import { createRandom } from './lib/random.js'
import type { BenchContext, Report } from './lib/result.js'
import { sleep } from './lib/rounds.js'

export const what =
  'What the page feels while a model writes and documents are added: its longest tasks and its latest timers.'

/** Blocks longer than this count as long tasks to a browser. */
const longTaskMs = 50

/** Watches this page's event loop: tasks of 50 ms and more, and how late it takes up a message. */
function watchEventLoop() {
  const longTasks: number[] = []
  const observer = new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) longTasks.push(duration)
  })
  observer.observe({ type: 'longtask', buffered: false })
  let latestMs = 0
  let beats = 0
  let expected = performance.now()
  const beatMs = 5
  const timer = setInterval(() => {
    const now = performance.now()
    latestMs = Math.max(latestMs, now - expected - beatMs)
    expected = now
    beats += 1
  }, beatMs)
  return {
    async stop() {
      clearInterval(timer)
      // Long tasks are told a little later.
      await sleep(200)
      for (const { duration } of observer.takeRecords()) longTasks.push(duration)
      observer.disconnect()
      return { longTasks, latestMs: Math.max(latestMs, 0), beats }
    },
  }
}

function createDocuments(count: number) {
  const random = createRandom(21)
  const words = [
    'harbour',
    'library',
    'reader',
    'book',
    'lamp',
    'letter',
    'garden',
    'winter',
    'window',
    'ferry',
    'bread',
  ]
  const word = () => words[Math.floor(random() * words.length)] ?? 'book'
  return Array.from({ length: count }, (_, index) => ({
    id: `note-${index}`,
    title: `Note ${index}`,
    text: `Note ${index}: the ${word()} and the ${word()} stand by the ${word()}, where a ${word()} waits for the ${word()}.`,
  }))
}

type Client = ReturnType<typeof openClient>

/** Answers one after the other until told to stop; gives the number of deltas that were read. */
async function keepWriting(client: Client, isOver: () => boolean): Promise<number> {
  const agent = client.agent({ sampling: { temperature: 0, maxTokens: 400 } })
  let deltas = 0
  for (let round = 0; !isOver(); round++) {
    for await (const part of agent.stream(`Once upon a time, in year ${round}, there was a little boat`)) {
      if (part.type === 'error') throw new Error(`${part.error.code}: ${part.error.message}`)
      if (part.type === 'text-delta') deltas += 1
      if (isOver()) break
    }
  }
  return deltas
}

async function measure(library: AlcoveLibrary, context: BenchContext, count: number) {
  const client = openClient(library, context, {
    model: 'transformers:stories260K',
    embedder: 'transformers:all-MiniLM-L6-v2',
    storage: { name: 'bench-main-thread' },
  })
  const watch = watchEventLoop()
  const started = performance.now()
  let isOver = false
  const writing = keepWriting(client, () => isOver)
  const corpus = await client.corpus('notes')
  let added = 0
  try {
    for await (const progress of corpus.add(createDocuments(count))) if (progress.type === 'ready') added += 1
  } finally {
    isOver = true
  }
  const deltas = await writing
  const seen = await watch.stop()
  const tookMs = performance.now() - started
  await client.close()
  if (added !== count) throw new Error(`expected ${count} documents to be added, got ${added}`)
  return { ...seen, deltas, tookMs }
}

/** Runs the benchmark in this page. Its driver adds what only a trace of the browser can tell: processor time of the tasks. */
export async function run(context: BenchContext): Promise<Report> {
  const missing = ['stories260K', 'all-MiniLM-L6-v2'].map((folder) => missingModel(context, folder)).find(Boolean)
  if (missing !== undefined) return { figures: [], notes: [], skipped: [missing] }
  const library = await loadAlcove()
  const count = context.quick ? 20 : 1_000
  const { longTasks, latestMs, beats, deltas, tookMs } = await measure(library, context, count)
  return {
    figures: [
      {
        what: `Tasks of 50 ms and more on the page's main thread, by the clock`,
        unit: '',
        value: longTasks.length,
        goal: { on: 'value', most: 0 },
      },
      {
        what: 'The longest of them (0: none)',
        unit: 'ms',
        value: Math.max(0, ...longTasks),
        goal: { on: 'value', most: longTaskMs },
      },
      { what: 'The latest that a timer of the page fired', unit: 'ms', value: latestMs, samples: beats },
    ],
    notes: [
      `${count.toLocaleString('en')} short documents added with MiniLM while stories260K wrote ${deltas.toLocaleString('en')} deltas, all on WebAssembly, from the first call on: ${(tookMs / 1000).toFixed(0)} s.`,
      "By the clock, a task also counts the time that the operating system gave to others: on 2 cores the workers take both. The trace's processor time is the page's own work.",
    ],
  }
}

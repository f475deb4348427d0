import { missingModel } from './lib/client.js'
import { openEngine, timeAnswer } from './lib/engine-model.js'
import { type BenchContext, type Figure, measureOf, type Report } from './lib/result.js'
import { sleep } from './lib/rounds.js'
import { summarize } from './lib/statistics.js'

export const what =
  'A chat engine that fails under a running answer: time until the same stream goes on. Memory after loading and unloading.'

const FOLDER = 'SmolLM2-135M-Instruct'
const STORY = 'stories260K'

declare global {
  interface Window {
    /** The driver's: crashes the GPU process. */
    crashGpu?: () => Promise<void>
    /** The driver's: memory of all processes of the browser, in bytes. */
    readMemory?: () => Promise<number>
  }
}

type Harm = (crash: () => void) => void

/** Until a `recovered` part, and until the next text, after harm was done at the fifth delta. */
async function recover(context: BenchContext, id: string, device: 'wasm' | 'webgpu', harm: Harm) {
  const { model, host, crash } = openEngine(context, id, { device })
  const request = {
    messages: [{ role: 'user' as const, content: 'Once upon a time' }],
    sampling: { temperature: 0, maxTokens: 24 },
  }
  try {
    const whole = await timeAnswer(model, request)
    let harmedAt = 0
    let recoveredMs = 0
    let textMs = 0
    const told = await timeAnswer(model, request, {
      onPart(part, deltas) {
        const passed = performance.now() - harmedAt
        if (part.type === 'status' && part.status === 'recovered') recoveredMs = passed
        else if (part.type === 'text-delta' && recoveredMs > 0) textMs ||= passed
        if (deltas !== 5 || harmedAt > 0) return
        harmedAt = performance.now()
        harm(crash)
      },
    })
    if (recoveredMs === 0) throw new Error('expected a recovered stream, got one that nothing had happened to')
    if (told.text !== whole.text) throw new Error('expected the same text as without the failure')
    return { recoveredMs, textMs }
  } finally {
    await host.close()
  }
}

async function measureRecovery(context: BenchContext, id: string, device: 'wasm' | 'webgpu', what: string, harm: Harm) {
  const rounds = []
  for (let round = 0; round < (context.quick ? 1 : 3); round++) rounds.push(await recover(context, id, device, harm))
  const figures: Figure[] = [
    {
      what: `${what}: until the stream says that it is recovered`,
      unit: 'ms',
      ...measureOf(summarize(rounds.map(({ recoveredMs }) => recoveredMs))),
      goal: { on: 'max', most: 5_000 },
    },
    {
      what: `${what}: until the next text`,
      unit: 'ms',
      ...measureOf(summarize(rounds.map(({ textMs }) => textMs))),
    },
  ]
  return figures
}

/** Memory of the browser after each round of load, answer and end of the worker. */
async function measureMemory(context: BenchContext, readMemory: () => Promise<number>) {
  const rounds = context.quick ? 2 : 20
  const after: number[] = []
  let loaded = 0
  for (let round = 0; round <= rounds; round++) {
    const { model, host } = openEngine(context, `transformers:${FOLDER}`)
    await timeAnswer(model, { messages: [{ role: 'user', content: 'Hi' }], sampling: { temperature: 0, maxTokens: 1 } })
    if (round === 0) loaded = await readMemory()
    await host.close()
    await sleep(500)
    after.push(await readMemory())
  }
  const [first = 0] = after
  const grown = (after.at(-1) ?? 0) - first
  const figure: Figure = {
    what: `Memory of the browser that ${rounds} more rounds of load and unload leave behind`,
    unit: 'bytes',
    value: grown,
    baselines: [{ what: 'what one loaded model takes', value: loaded - first }],
    goal: { on: 'ratio', most: 0.25 },
  }
  return figure
}

/** Runs the benchmark in this page; the driver gives it the means. */
export async function run(context: BenchContext): Promise<Report> {
  const figures: Figure[] = []
  const skipped: string[] = []
  const noChat = missingModel(context, FOLDER)
  const noStory = missingModel(context, STORY)
  for (const reason of [noChat, noStory]) if (reason) skipped.push(reason)
  const kill: Harm = (crash) => crash()
  if (!noChat)
    figures.push(
      ...(await measureRecovery(context, `transformers:${FOLDER}`, 'wasm', `A killed worker, ${FOLDER}`, kill)),
    )
  const { crashGpu, readMemory } = window
  if (!noChat && readMemory) figures.push(await measureMemory(context, readMemory))
  if (!noStory && crashGpu) {
    try {
      const one = { ...context, quick: true }
      figures.push(
        ...(await measureRecovery(
          one,
          `transformers:${STORY}`,
          'webgpu',
          `A crashed GPU process, ${STORY}`,
          () => void crashGpu(),
        )),
      )
    } catch (error) {
      skipped.push(`a crashed GPU process: ${(error as Error).message}`)
    }
  }
  return {
    figures,
    notes: [
      'The failure comes after the fifth piece of text; the same stream then goes on, and ends with the same text as one that nobody disturbed.',
      'The GPU is a software one (SwiftShader), and its process is crashed once: after a second time Chromium offers none.',
    ],
    skipped,
  }
}

import { openEngine, timeAnswer } from './engine-model.js'
import type { BenchContext, Figure } from './result.js'
import { collectGarbage, sleep } from './rounds.js'

interface Engine {
  readonly name: string
  readonly id: string
  readonly device: 'wasm' | 'webgpu'
}

const ROUNDS = 20
/** On a machine that has much else to do fewer rounds are made, and the figure says how many. */
const LIMIT_MS = 150_000

async function settled(readMemory: () => Promise<number>): Promise<number> {
  collectGarbage()
  await sleep(300)
  return readMemory()
}

/** Memory that rounds of load, answer and unload leave behind, against what one loaded model takes. The first round is the baseline. */
export async function measureUnloading(
  context: BenchContext,
  { name, id, device }: Engine,
  readMemory: () => Promise<number>,
): Promise<Figure[]> {
  const rounds = context.quick ? 2 : ROUNDS
  const { model, host } = openEngine(context, id, { device })
  const empty = await settled(readMemory)
  const after: number[] = []
  let loaded = 0
  const began = performance.now()
  for (let round = 0; round <= rounds && (round < 3 || performance.now() - began < LIMIT_MS); round++) {
    await timeAnswer(model, {
      messages: [{ role: 'user', content: 'Once upon a time' }],
      sampling: { temperature: 0, maxTokens: 4 },
    })
    if (round === 0) loaded = await readMemory()
    await model.dispose()
    after.push(await settled(readMemory))
  }
  await host.close()
  const [first = 0] = after
  const takes = { what: 'what one loaded model takes', value: loaded - empty }
  return [
    {
      what: `Memory that ${after.length - 1} more rounds of load and unload leave behind, ${name}`,
      unit: 'bytes',
      value: (after.at(-1) ?? 0) - first,
      baselines: [takes],
      goal: { on: 'ratio', most: 0.25 },
    },
    {
      what: `Memory that the first round leaves behind, ${name}`,
      unit: 'bytes',
      value: first - empty,
      baselines: [takes],
    },
  ]
}

import { openEngine, timeAnswer } from './engine-model.js'
import type { BenchContext, Figure } from './result.js'
import { collectGarbage, sleep } from './rounds.js'

/** How a model goes: with its worker, as an idle one does, or alone, as one does that another takes the place of. */
export type Unloading = 'worker' | 'model'

interface Engine {
  readonly name: string
  readonly id: string
  readonly device: 'wasm' | 'webgpu'
}

const ROUNDS = 20

async function settled(readMemory: () => Promise<number>): Promise<number> {
  collectGarbage()
  await sleep(300)
  return readMemory()
}

/** Memory that rounds of load, answer and unload leave behind, against what one loaded model takes. The first round is the baseline. */
export async function measureUnloading(
  context: BenchContext,
  { name, id, device }: Engine,
  way: Unloading,
  readMemory: () => Promise<number>,
): Promise<Figure[]> {
  const rounds = context.quick ? 2 : ROUNDS
  const after: number[] = []
  let loaded = 0
  let engine = openEngine(context, id, { device })
  const empty = await settled(readMemory)
  for (let round = 0; round <= rounds; round++) {
    await timeAnswer(engine.model, {
      messages: [{ role: 'user', content: 'Once upon a time' }],
      sampling: { temperature: 0, maxTokens: 4 },
    })
    if (round === 0) loaded = await readMemory()
    await (way === 'worker' ? engine.host.close() : engine.model.dispose())
    if (way === 'worker') engine = openEngine(context, id, { device })
    after.push(await settled(readMemory))
  }
  await engine.host.close()
  const ended = await settled(readMemory)
  const [first = 0] = after
  const how = way === 'worker' ? 'with its worker' : 'in a worker that stays'
  const figures: Figure[] = [
    {
      what: `Memory that ${rounds} more rounds of load and unload ${how} leave behind, ${name}`,
      unit: 'bytes',
      value: (after.at(-1) ?? 0) - first,
      baselines: [{ what: 'what one loaded model takes', value: loaded - empty }],
      goal: { on: 'ratio', most: 0.25 },
    },
  ]
  if (way === 'worker') return figures
  return [
    ...figures,
    {
      what: `Memory that a worker keeps after its model was unloaded, ${name}`,
      unit: 'bytes',
      value: first - empty,
      baselines: [{ what: 'what is left when the worker ends, after all rounds', value: ended - empty }],
    },
  ]
}

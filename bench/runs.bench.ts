import { type AlcoveLibrary, type AlcoveTesting, loadAlcove, loadTesting } from './lib/alcove.js'
import { type BenchContext, measureOf, type Report } from './lib/result.js'
import { timeOf, usedHeapBytes } from './lib/rounds.js'
import { quantile, summarize } from './lib/statistics.js'

export const what =
  '1,000 runs at once on one page, with the scripted model: all finish, in fair order, and nothing is left.'

const answer = 'A book may be renewed twice, for three weeks each time, unless another reader waits for it. '.repeat(3)
const chunkSize = 6

interface Crowd {
  readonly totalMs: number
  /** Places in the order of finishing, by place in the order of starting. */
  readonly finishedAs: readonly number[]
}

type Library = Pick<AlcoveLibrary, 'createAgent'> & Pick<AlcoveTesting, 'scriptedModel'>

/** An agent whose one model has a turn for each of so many runs. */
function createCrowdAgent({ createAgent, scriptedModel }: Library, count: number) {
  const model = scriptedModel(
    Array.from({ length: count }, () => answer),
    { chunkSize },
  )
  return createAgent({ model, instructions: 'Answer briefly.' })
}

async function runCrowd(library: Library, count: number): Promise<Crowd> {
  const agent = createCrowdAgent(library, count)
  const finishedAs: number[] = Array(count).fill(-1)
  let finished = 0
  const follow = async (place: number) => {
    let text = ''
    for await (const part of agent.stream(`Question ${place}: how often may a book be renewed?`)) {
      if (part.type === 'text-delta') text += part.text
      if (part.type === 'finish' && part.finish.reason !== 'stop')
        throw new Error(`run ${place}: ${part.finish.reason}`)
    }
    if (text !== answer) throw new Error(`run ${place}: expected the whole answer, got ${text.length} characters`)
    finishedAs[place] = finished++
  }
  const totalMs = await timeOf(() => Promise.all(Array.from({ length: count }, (_, place) => follow(place))))
  if (finished !== count) throw new Error(`expected ${count} runs to finish, got ${finished}`)
  return { totalMs, finishedAs }
}

/** Milliseconds of single runs, one after the other: what a run costs by itself. */
async function runAlone(library: Library, count: number): Promise<number[]> {
  const agent = createCrowdAgent(library, count)
  const samples: number[] = []
  for (let place = 0; place < count; place++) {
    samples.push(
      await timeOf(async () => {
        for await (const _part of agent.stream(`Question ${place}?`));
      }),
    )
  }
  return samples
}

/** Microseconds that each part of a long answer takes, the reading of it and the model's own share included. */
async function costOfPart({ createAgent, scriptedModel }: Library, deltas: number): Promise<number> {
  const agent = createAgent({ model: scriptedModel([answer.repeat(deltas)], { chunkSize: answer.length }) })
  let parts = 0
  const ms = await timeOf(async () => {
    for await (const part of agent.stream('Go on.')) if (part.type === 'text-delta') parts++
  })
  if (parts !== deltas) throw new Error(`expected ${deltas} deltas, got ${parts}`)
  return (1_000 * ms) / parts
}

/** Runs the benchmark in this page. */
export async function run({ quick }: BenchContext): Promise<Report> {
  const [{ createAgent }, { scriptedModel }] = await Promise.all([loadAlcove(), loadTesting()])
  const library = { createAgent, scriptedModel }
  const count = quick ? 100 : 1_000
  const rounds = quick ? 2 : 10
  await runCrowd(library, count)
  const heapBefore = await usedHeapBytes()
  const crowds: Crowd[] = []
  for (let round = 0; round < rounds; round++) crowds.push(await runCrowd(library, count))
  const heapAfter = await usedHeapBytes()
  const alone = await runAlone(library, count)
  const perPart: number[] = []
  for (let round = 0; round < rounds; round++) perPart.push(await costOfPart(library, quick ? 500 : 5_000))
  const perRun = crowds.map(({ totalMs }) => totalMs / count)
  const displacements = crowds.flatMap(({ finishedAs }) => finishedAs.map((place, start) => Math.abs(place - start)))
  return {
    figures: [
      {
        what: `Own cost of a run among ${count.toLocaleString('en')} at once (all their time, shared out)`,
        unit: 'ms',
        ...measureOf(summarize(perRun)),
      },
      {
        what: 'Own cost of a run alone, p99',
        unit: 'ms',
        value: quantile(alone, 0.99),
        min: Math.min(...alone),
        max: Math.max(...alone),
        samples: alone.length,
        goal: { on: 'value', most: 5 },
      },
      {
        what: `Own cost of a part in a long answer, ${answer.length} characters each`,
        unit: 'µs',
        ...measureOf(summarize(perPart)),
      },
      {
        what: 'Places by which a run finishes earlier or later than it started, worst',
        unit: 'runs',
        value: Math.max(...displacements),
        goal: { on: 'value', most: count / 100 },
      },
      {
        what: `JavaScript heap after ${(rounds * count).toLocaleString('en')} runs, less what it was before`,
        unit: 'bytes',
        value: heapAfter - heapBefore,
        goal: { on: 'value', most: 1_000_000 },
      },
    ],
    notes: [
      `An answer of ${answer.length} characters in deltas of ${chunkSize}; the model itself takes no time.`,
      'Every run must end with the reason `stop` and give the whole answer, or the benchmark fails.',
    ],
  }
}

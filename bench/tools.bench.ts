import { loadAlcove, loadTesting } from './lib/alcove.js'
import { type BenchContext, measureOf, type Report } from './lib/result.js'
import { sleep, takeTurns, timeOf } from './lib/rounds.js'
import { summarize } from './lib/statistics.js'

export const what = 'Five tool calls of 200 ms in one turn, with the scripted model.'

const callCount = 5
const toolMs = 200

/** Runs the benchmark in this page. */
export async function run({ quick }: BenchContext): Promise<Report> {
  const [{ createAgent, tool }, { scriptedModel }] = await Promise.all([loadAlcove(), loadTesting()])
  const wait = tool({
    name: 'wait',
    description: 'Waits a while.',
    input: { type: 'object', properties: { place: { type: 'number' } }, required: ['place'] },
    execute: async () => {
      await sleep(toolMs)
      return 'done'
    },
  })
  const toolCalls = Array.from({ length: callCount }, (_, place) => ({ name: 'wait', input: { place } }))

  /** A whole run: the turn with the calls, then the answer. */
  const runOnce = (maxParallelCalls: number) => async () => {
    const agent = createAgent({ model: scriptedModel([{ toolCalls }, 'All done.']), tools: [wait], maxParallelCalls })
    let results = 0
    const ms = await timeOf(async () => {
      for await (const part of agent.stream('Wait five times.')) {
        if (part.type === 'tool-result' && !part.isError) results += 1
      }
    })
    if (results !== callCount) throw new Error(`expected ${callCount} results of tools, got ${results}`)
    return ms
  }
  const samples = await takeTurns({ parallel: runOnce(5), serial: runOnce(1) }, { rounds: quick ? 2 : 12 })
  return {
    figures: [
      {
        what: 'Five tools of 200 ms in one turn, whole run',
        unit: 'ms',
        ...measureOf(summarize(samples.parallel)),
        baselines: [
          { what: 'one at a time (maxParallelCalls 1)', ...measureOf(summarize(samples.serial)) },
          { what: 'Qwen-Agent', value: 1_017, quoted: true },
        ],
        goal: { on: 'value', most: 230 },
      },
    ],
    notes: ['The tools wait by timer and use no processor: what is above 200 ms is the cost of the run.'],
  }
}

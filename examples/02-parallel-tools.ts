// Calls of one turn run side by side: three harbours are asked in the time of one.
import { type Alcove, tool } from 'alcove'

const departures: Record<string, string> = { Kristiansund: '14:10', Molde: '14:25', Vestnes: '15:00' }

const nextFerry = tool({
  name: 'next_ferry',
  description: 'When the next ferry leaves a harbour.',
  input: { type: 'object', properties: { harbour: { enum: Object.keys(departures) } }, required: ['harbour'] },
  timeoutMs: 5000,
  async execute({ harbour }, { report }) {
    report(`asking ${harbour}`)
    await new Promise((resolve) => setTimeout(resolve, 300))
    return { harbour, leaves: departures[String(harbour)] }
  },
})

/** At most `maxParallelCalls` run at once; the results keep the order of the calls. */
export async function* compareFerries(alcove: Alcove, question = 'From which harbour does the next ferry leave?') {
  const agent = alcove.agent({
    instructions: `Ask all of these harbours at once: ${Object.keys(departures).join(', ')}.`,
    tools: [nextFerry],
    maxParallelCalls: 3,
  })
  yield* agent.stream(question)
}

// Any agent is a tool of another. What it does is told live in the outer run, with the path of agents on each part.
import type { Alcove } from 'alcove'
import { calculatorTool } from 'alcove/tools/calculator'

/** The text of the inner agent is `inner`: the answer is what the outer one says. */
export async function* askThroughAnother(alcove: Alcove, question = 'What do 17 ropes of 12.35 euros cost?') {
  const accountant = alcove.agent({
    name: 'accountant',
    description: 'Calculates exactly.',
    tools: [calculatorTool()],
  })
  const clerk = alcove.agent({
    name: 'clerk',
    instructions: 'Give every calculation to the accountant.',
    tools: [accountant.asTool()],
  })
  yield* clerk.stream(question)
}

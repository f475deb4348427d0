// What is to be known beyond one conversation is a corpus of its own, which the person can see and erase.
import type { Alcove } from 'alcove'

/** `memory` gives the agent the tools `remember` and `recall`. The second run knows nothing of the first but what was remembered. */
export async function* rememberAndRecall(alcove: Alcove) {
  const memory = await alcove.corpus('example-memory', { vectors: 'none' })
  const agent = alcove.agent({ memory })
  yield* agent.stream('Remember that my boat is called Marigold.')
  yield* agent.stream('What is my boat called?')
  yield { remembered: (await memory.list()).map(({ title }) => title) }
  await memory.clear()
}

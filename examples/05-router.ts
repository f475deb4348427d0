// A router: a model picks the agent that answers, by the names and descriptions of all.
import type { Alcove } from 'alcove'

/** The `handoff` part says who was chosen and why; what an agent says has its path. */
export async function* askTheRightOne(alcove: Alcove, question = 'The engine of my boat makes a noise.') {
  const sampling = { temperature: 0, maxTokens: 40 }
  const desk = alcove.router({
    name: 'desk',
    agents: [
      alcove.agent({ name: 'cook', description: 'recipes, food and cooking', sampling }),
      alcove.agent({ name: 'mechanic', description: 'engines, boats and repairs', sampling }),
    ],
    fallback: 'mechanic',
  })
  yield* desk.stream(question)
}

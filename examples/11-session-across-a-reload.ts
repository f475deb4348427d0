// A conversation that outlasts the page: run this, reload (in the middle of the answer, too), and run it again.
import type { Alcove } from 'alcove'

/** The messages of the session come before the question by themselves, and what the run adds is kept while it goes on. */
export async function* talkAcrossReloads(
  alcove: Alcove,
  question = 'My boat is called Marigold.',
  later = 'What is my boat called?',
) {
  const agent = alcove.agent({ instructions: 'Be short.', sampling: { temperature: 0, maxTokens: 40 } })
  const kept = (await alcove.sessions.list()).find(({ title }) => title === 'Example')
  if (kept === undefined) {
    const session = await alcove.sessions.create({ title: 'Example' })
    yield* agent.stream(question, { session })
    return
  }
  const session = await alcove.sessions.open(kept.id)
  for (const message of await session.messages()) yield message
  if (await session.unfinished()) yield* session.resume(agent)
  else yield* agent.stream(later, { session })
}

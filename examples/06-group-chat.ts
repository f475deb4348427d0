// A group chat: agents talk with each other, here in turn, until one of them says that it is done.
import type { Alcove } from 'alcove'

/** `select: 'auto'` lets a model choose who speaks next, and `{ name: 'Eve', human: true }` is a person who is waited for. */
export async function* planTogether(alcove: Alcove, question = 'Where shall we sail on Saturday?') {
  const chat = alcove.groupChat({
    name: 'crew',
    background: 'Planning a day on the water. One or two sentences each.',
    agents: [
      alcove.agent({ name: 'Optimist', instructions: 'You love to sail far. Propose a place.' }),
      alcove.agent({ name: 'Sceptic', instructions: 'You look at the weather first. Write [AGREED] when you agree.' }),
    ],
    select: 'round-robin',
    maxRounds: 4,
    stopToken: '[AGREED]',
  })
  yield* chat.stream(question)
}

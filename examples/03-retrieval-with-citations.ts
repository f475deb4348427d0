// An agent with a corpus answers from documents, and each citation is checked against the text that it names.
import type { Alcove } from 'alcove'

const documents = [
  { title: 'Opening hours', text: 'The harbour library opens at nine in the morning.\n\nOn Sundays it is closed.' },
  { title: 'Lending', text: 'Books are lent for four weeks. Charts and maps cannot be taken home.' },
  { title: 'Members', text: 'A card costs nothing. Children need a signature of a parent.' },
]

/** What was added stays in the corpus: the second time nothing is read again. */
export async function* askDocuments(alcove: Alcove, question = 'When does the harbour library open?') {
  const corpus = await alcove.corpus('example-library')
  await corpus.add(documents)
  const agent = alcove.agent({
    instructions: 'Answer from the documents, in one sentence.',
    corpus,
    sampling: { temperature: 0, maxTokens: 60 },
  })
  yield* agent.stream(question)
}

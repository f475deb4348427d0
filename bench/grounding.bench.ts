import { findClaims } from '../src/agents/grounding.js'
import recorded from '../test/fixtures/grounding/answers.json' with { type: 'json' }
import labels from '../test/fixtures/grounding/labels.json' with { type: 'json' }
import questions from '../test/fixtures/grounding/questions.json' with { type: 'json' }
import type { Report } from './lib/result.js'

export const what = 'The grounding check over recorded answers of a small real model, against labels by a person.'

interface Label {
  readonly supported: readonly string[]
  readonly unsupported: readonly string[]
}

/** Runs the benchmark in this page. */
export async function run(): Promise<Report> {
  const answers: Readonly<Record<string, string | null>> = recorded.answers
  const told: Readonly<Record<string, Label>> = labels
  let supported = 0
  let markedWrongly = 0
  let unsupported = 0
  let unmarked = 0
  for (const { id, passage } of questions) {
    const answer = answers[id] ?? ''
    const label = told[id] ?? { supported: [], unsupported: [] }
    const claims = findClaims(answer, [passage]).map((claim) => ({ ...claim, text: answer.slice(...claim.answerSpan) }))
    const marked = claims.filter((claim) => !claim.supported)
    unsupported += label.unsupported.length
    unmarked += label.unsupported.filter((text) => !marked.some((claim) => claim.text.includes(text))).length
    supported += claims.length - marked.length
    const wrong = marked.filter((claim) => !label.unsupported.some((text) => claim.text.includes(text))).length
    markedWrongly += wrong
    supported += wrong
  }
  const unanswerable = questions.filter(({ answer }) => answer === null).length
  return {
    figures: [
      {
        what: `Numbers, dates, names and quotations that are not in the passage and not marked (of ${unsupported})`,
        unit: '',
        value: unmarked,
        goal: { on: 'value', most: 0 },
      },
      {
        what: `Those that are in the passage and marked all the same (of ${supported})`,
        unit: '%',
        value: (100 * markedWrongly) / supported,
        goal: { on: 'value', most: 5 },
      },
    ],
    notes: [
      `${questions.length} questions with a passage, ${unanswerable} of them without an answer in it; answers of ${recorded.model}, recorded by scripts/record-answers.mjs.`,
      'What a claim says of its subject is not checked: a number of the passage in the wrong place counts as supported.',
    ],
  }
}

import { checkCitations, citeAnswer } from '../src/agents/cite-answer.js'
import { choosePassages } from '../src/agents/passages.js'
import { answerFromPassages } from '../src/engines/extractive/extractive.js'
import type { Citation, Hit } from '../src/protocol/corpus.js'
import { createTextIndex } from '../src/retrieval/keyword/text-index.js'
import recorded from '../test/fixtures/grounding/answers.json' with { type: 'json' }
import questions from '../test/fixtures/grounding/questions.json' with { type: 'json' }
import { type JudgedQuery, type JudgedSet, loadJudgedSet } from './lib/judged.js'
import { createRandom, sample } from './lib/random.js'
import type { BenchContext, Figure, Report } from './lib/result.js'

export const what =
  'Citations whose quoted span is in the source, and what the extractive answerer does with near misses.'

const sets = [
  { name: 'xquad-en', queries: 400 },
  { name: 'cmrc2018-dev', queries: 400 },
]
const passagesEach = 5

/** Whether a citation's quote is, character for character, in its document at its span. */
const isInSource = ({ source, span, quote, verified }: Citation, texts: ReadonlyMap<string, string>): boolean =>
  verified && quote !== '' && texts.get(source.id)?.slice(...span) === quote

interface Tally {
  answers: number
  citations: number
  inSource: number
}

function count(tally: Tally, citations: readonly Citation[], texts: ReadonlyMap<string, string>): void {
  tally.answers++
  tally.citations += citations.length
  tally.inSource += citations.filter((citation) => isInSource(citation, texts)).length
}

function openSet({ documents }: JudgedSet) {
  const index = createTextIndex()
  index.add(documents.map(({ text, title }, id) => ({ id, text, title, headings: [] })))
  const hitOf = (at: number, score: number): Hit => {
    const { id, title, text } = documents[at] as JudgedSet['documents'][number]
    return { id, text, score, ranks: {}, source: { id, title, headings: [] }, span: [0, text.length] }
  }
  const search = (query: string, leavesOut: ReadonlySet<string>): Hit[] =>
    index
      .search(query, passagesEach + leavesOut.size)
      .rows.map(({ id, score }) => hitOf(id, score))
      .filter(({ source }) => !leavesOut.has(source.id))
      .slice(0, passagesEach)
  return { search, texts: new Map(documents.map(({ id, text }) => [id, text])) }
}

/** Questions with their paragraph in the documents, and the same ones without it: near misses. */
function measureSet(set: JudgedSet, queries: readonly JudgedQuery[], tally: Tally): Figure[] {
  const { search, texts } = openSet(set)
  let answered = 0
  let cited = 0
  let refused = 0
  for (const { text, relevant } of queries) {
    const hits = search(text, new Set())
    const citations = checkCitations(answerFromPassages(text, hits).citations, hits, 0)
    if (citations.length > 0) {
      answered++
      count(tally, citations, texts)
    }
    if (citations.some(({ source }) => relevant.has(source.id))) cited++
    if (answerFromPassages(text, search(text, relevant)).citations.length === 0) refused++
  }
  const share = (value: number) => (100 * value) / queries.length
  const among = `${set.name} (${queries.length} questions)`
  return [
    {
      what: `Questions whose paragraph is there and that get a quotation, ${among}`,
      unit: '%',
      value: share(answered),
    },
    { what: `… and from that paragraph, ${among}`, unit: '%', value: share(cited) },
    { what: `The same without their paragraph: refused, ${among}`, unit: '%', value: share(refused) },
  ]
}

/** What a small model wrote over one passage each, tied to it. */
function countRecorded(tally: Tally): void {
  const answers: Readonly<Record<string, string | null>> = recorded.answers
  for (const { id, title, passage } of questions) {
    const source = { id, title, headings: [] }
    const hit: Hit = { id, text: passage, score: 1, ranks: {}, source, span: [0, passage.length] }
    count(tally, citeAnswer(answers[id] ?? '', choosePassages([hit], 1000), 0), new Map([[id, passage]]))
  }
}

/** Runs the benchmark in this page. */
export async function run(context: BenchContext): Promise<Report> {
  const tally: Tally = { answers: 0, citations: 0, inSource: 0 }
  const figures: Figure[] = []
  const skipped: string[] = []
  for (const { name, queries } of sets) {
    const set = await loadJudgedSet(context, name)
    if (set === undefined) skipped.push(`${name} is not here (name its folder in ALCOVE_DATA_DIR)`)
    else figures.push(...measureSet(set, sample(createRandom(17), set.queries, context.quick ? 20 : queries), tally))
  }
  countRecorded(tally)
  return {
    figures: [
      {
        what: `Citations whose quoted span is in the source (${tally.citations} citations of ${tally.answers} answers)`,
        unit: '%',
        value: (100 * tally.inSource) / tally.citations,
        goal: { on: 'value', least: 100 },
      },
      ...figures,
    ],
    notes: [
      `Extractive answers over the ${passagesEach} best passages by keyword, and the recorded answers of ${recorded.model}. Each quote is compared with its document, character for character.`,
    ],
    skipped,
  }
}

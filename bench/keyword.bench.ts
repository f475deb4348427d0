import { create, insertMultiple, search } from '@orama/orama'
import MiniSearch from 'minisearch'
import { createTextIndex } from '../src/retrieval/keyword/text-index.js'
import {
  type JudgedDocument,
  type JudgedQuery,
  type JudgedSet,
  loadOrMakeJudgedSet,
  multiplyDocuments,
  reasonsOf,
} from './lib/judged.js'
import { createRandom, sample } from './lib/random.js'
import { type BenchContext, type Figure, measureOf, type Report } from './lib/result.js'
import { collectGarbage, itemOf, takeTurns, timeOf } from './lib/rounds.js'
import { summarize } from './lib/statistics.js'

export const what = 'Keyword top-10 over many passages: our text index, Orama alone, and MiniSearch.'

const topK = 10

interface Engine {
  /** Ids of the documents found, best first. */
  search(query: string): Promise<string[]>
  /** A search for words that begin with the query: what a person has typed so far. */
  searchPrefix(query: string): Promise<string[]>
}

function fillAlcove(documents: readonly JudgedDocument[]): Engine {
  const index = createTextIndex()
  const passages = documents.map(({ title, text }, id) => ({ id, title, text, headings: [] }))
  for (let start = 0; start < passages.length; start += 500) index.add(passages.slice(start, start + 500))
  const find = async (query: string) => index.search(query, topK).rows.map(({ id }) => documents[id]?.id ?? '')
  return { search: find, searchPrefix: find }
}

async function fillOrama(documents: readonly JudgedDocument[]): Promise<Engine> {
  const database = create({ schema: { title: 'string', text: 'string' } as const })
  await insertMultiple(
    database,
    documents.map(({ id, title, text }) => ({ id, title, text })),
    500,
  )
  const find = async (term: string) => (await search(database, { term, limit: topK })).hits.map(({ id }) => id)
  return { search: find, searchPrefix: find }
}

function fillMiniSearch(documents: readonly JudgedDocument[]): Engine {
  const index = new MiniSearch({ fields: ['title', 'text'] })
  index.addAll(documents)
  const find = async (query: string, prefix: boolean) =>
    index
      .search(query, { prefix })
      .slice(0, topK)
      .map(({ id }) => String(id))
  return { search: (query) => find(query, false), searchPrefix: (query) => find(query, true) }
}

const wordsOf = (text: string) => text.toLowerCase().match(/\p{L}+/gu) ?? []

/** Number of documents that have each word. */
function countWords({ documents }: JudgedSet): Map<string, number> {
  const counts = new Map<string, number>()
  for (const { text } of documents) {
    for (const word of new Set(wordsOf(text))) counts.set(word, (counts.get(word) ?? 0) + 1)
  }
  return counts
}

/** Beginnings of three and four letters that the most words share, and that are no words themselves: the most shared first. */
function findPrefixes(set: JudgedSet): string[] {
  const words = countWords(set)
  const counts = new Map<string, number>()
  for (const [word, count] of words) {
    for (const length of [3, 4]) {
      const prefix = word.slice(0, length)
      if (word.length > length && !words.has(prefix)) counts.set(prefix, (counts.get(prefix) ?? 0) + count)
    }
  }
  return [...counts].sort((a, b) => b[1] - a[1]).map(([prefix]) => prefix)
}

/** The two rarest words of each query that the set has: what a person types into a search box. */
function shorten(set: JudgedSet, queries: readonly string[]): string[] {
  const counts = countWords(set)
  const frequency = (word: string) => counts.get(word) ?? 0
  return queries.map((query) =>
    [...new Set(wordsOf(query))]
      .filter((word) => frequency(word) > 0)
      .sort((a, b) => frequency(a) - frequency(b))
      .slice(0, 2)
      .join(' '),
  )
}

type Names = 'alcove' | 'orama' | 'miniSearch'

/** Samples of each engine, one for each query and round. */
function compare(engines: Record<Names, Engine>, verb: keyof Engine, queries: readonly string[], rounds: number) {
  const contender = (name: Names) => (round: number) => timeOf(() => engines[name][verb](itemOf(queries, round)))
  return takeTurns(
    { alcove: contender('alcove'), orama: contender('orama'), miniSearch: contender('miniSearch') },
    { rounds: rounds * queries.length, warmUp: Math.min(10, queries.length) },
  )
}

const toFigure = (samples: Record<Names, number[]>, what: string): Figure => ({
  what,
  unit: 'ms',
  ...measureOf(summarize(samples.alcove)),
  baselines: [
    { what: 'MiniSearch', ...measureOf(summarize(samples.miniSearch)) },
    { what: 'Orama', ...measureOf(summarize(samples.orama)) },
  ],
})

/** Each query's median, and of these the worst. */
function worst(samples: readonly number[], queryCount: number): number {
  const medians = Array.from(
    { length: queryCount },
    (_, query) => summarize(samples.filter((_, round) => round % queryCount === query)).median,
  )
  return Math.max(...medians)
}

/** Which original passage a multiplied one was made from. */
const originalOf = (documents: readonly JudgedDocument[], set: JudgedSet) =>
  new Map(documents.map(({ id }, index) => [id, set.documents[index % set.documents.length]?.id ?? '']))

/** Share of the top 10 that was made from the passage which answers the query: that an engine is quick is worth nothing without it. */
async function measureRightShare(
  engine: Engine,
  queries: readonly JudgedQuery[],
  originals: ReadonlyMap<string, string>,
): Promise<number> {
  let right = 0
  for (const { text, relevant } of queries) {
    right += (await engine.search(text)).filter((id) => relevant.has(originals.get(id) ?? '')).length
  }
  return (100 * right) / (queries.length * topK)
}

/** The first so many prefixes that every engine completes: the time of one that finds nothing would be that of doing nothing. */
async function chooseComplete(engines: Record<Names, Engine>, candidates: readonly string[], count: number) {
  const chosen: string[] = []
  for (const prefix of candidates.slice(0, count * 4)) {
    const found = await Promise.all(Object.values(engines).map((engine) => engine.searchPrefix(prefix)))
    if (found.every(({ length }) => length === topK)) chosen.push(prefix)
    if (chosen.length === count) return chosen
  }
  throw new Error(`expected ${count} prefixes that every engine completes, got ${chosen.join(', ')}`)
}

async function measureSize(set: JudgedSet, count: number, quick: boolean): Promise<Report> {
  const documents = multiplyDocuments(set, count)
  const engines = {} as Record<Names, Engine>
  const fill = async (name: Names, make: () => Promise<Engine> | Engine) => {
    collectGarbage()
    return timeOf(async () => {
      engines[name] = await make()
    })
  }
  const alcoveMs = await fill('alcove', () => fillAlcove(documents))
  const miniSearchMs = await fill('miniSearch', () => fillMiniSearch(documents))
  const oramaMs = await fill('orama', () => fillOrama(documents))
  const size = `${count.toLocaleString('en')} passages`
  const isGoalSize = count === 50_000
  const ratioGoal = isGoalSize ? { goal: { on: 'ratio', most: 1 } as const } : {}

  const judged = sample(createRandom(5), set.queries, quick ? 10 : 40)
  const questions = judged.map(({ text }) => text)
  const asked = await compare(engines, 'search', questions, 1)
  const typed = await compare(engines, 'search', shorten(set, questions), 1)
  const prefixes = await chooseComplete(engines, findPrefixes(set), 8)
  const begun = await compare(engines, 'searchPrefix', prefixes, quick ? 1 : 3)
  const originals = originalOf(documents, set)
  const worstOf = (name: Names) => worst(begun[name], prefixes.length)
  const rightOf = (name: Names) => measureRightShare(engines[name], judged, originals)
  const figures: Figure[] = [
    { ...toFigure(asked, `Keyword top-10, judged questions, ${size}`), ...ratioGoal },
    { ...toFigure(typed, `Keyword top-10, the two rarest words of each, ${size}`), ...ratioGoal },
    {
      what: `Keyword top-10, worst prefix query, ${size}`,
      unit: 'ms',
      value: worstOf('alcove'),
      baselines: [
        { what: 'MiniSearch', value: worstOf('miniSearch') },
        { what: 'Orama', value: worstOf('orama') },
      ],
      ...ratioGoal,
    },
    {
      what: `Share of those questions' top 10 made from the right passage, ${size}`,
      unit: '%',
      value: await rightOf('alcove'),
      baselines: [
        { what: 'MiniSearch', value: await rightOf('miniSearch') },
        { what: 'Orama', value: await rightOf('orama') },
      ],
      ...(isGoalSize && { goal: { on: 'ratio', least: 1 } as const }),
    },
    {
      what: `Building the text index, ${size}`,
      unit: 'ms',
      value: alcoveMs,
      baselines: [
        { what: 'MiniSearch', value: miniSearchMs },
        { what: 'Orama', value: oramaMs },
      ],
      ...(isGoalSize && { goal: { on: 'value', most: 5_000 } as const }),
    },
  ]
  return { figures, notes: [`Prefix queries at ${size}: ${prefixes.join(', ')}; the worst of their medians counts.`] }
}

/** What our index takes beyond the sizes at which the others can be waited for, and what it takes to be stored and opened. */
async function measureOwn(set: JudgedSet, count: number, quick: boolean): Promise<Figure[]> {
  const documents = multiplyDocuments(set, count)
  const index = createTextIndex()
  const passages = documents.map(({ title, text }, id) => ({ id, title, text, headings: [] }))
  const buildMs = await timeOf(async () => {
    for (let start = 0; start < passages.length; start += 500) index.add(passages.slice(start, start + 500))
  })
  const ids = Uint32Array.from(passages, ({ id }) => id)
  const queries = sample(createRandom(5), set.queries, quick ? 10 : 40).map(({ text }) => text)
  const find = (query: string) => timeOf(async () => index.search(query, topK))
  const asked: number[] = []
  for (const query of [...queries, ...queries]) asked.push(await find(query))
  const prefixes = findPrefixes(set).slice(0, 8)
  const begun: number[] = []
  for (let round = 0; round < prefixes.length * 3; round++) begun.push(await find(itemOf(prefixes, round)))
  let data = index.extract([])
  const storeMs = await timeOf(async () => {
    data = index.extract([...ids])
  })
  const opened = createTextIndex()
  const openMs = await timeOf(async () => opened.addSegment(data, ids))
  if (opened.search(queries[0] ?? '', topK).rows.length === 0) throw new Error('expected the opened index to find')
  const size = `${count.toLocaleString('en')} passages`
  const stored = data.terms.length + data.lengths.byteLength + data.sequence.byteLength
  return [
    {
      what: `Our index alone, judged questions, ${size}`,
      unit: 'ms',
      ...measureOf(summarize(asked.slice(queries.length))),
    },
    { what: `Our index alone, worst prefix query, ${size}`, unit: 'ms', value: worst(begun, prefixes.length) },
    { what: `Our index alone, building it, ${size}`, unit: 'ms', value: buildMs },
    { what: `Our index alone, its words as they are stored, ${size}`, unit: 'ms', value: storeMs },
    { what: `Our index alone, opening these, ${size}`, unit: 'ms', value: openMs },
    { what: `Our index alone, memory, ${size}`, unit: 'bytes', value: opened.bytes },
    { what: `Our index alone, stored, ${size}`, unit: 'bytes', value: stored },
  ]
}

/** Runs the benchmark in this page. */
export async function run(context: BenchContext): Promise<Report> {
  const { quick } = context
  const set = await loadOrMakeJudgedSet(context, 'xquad-en')
  const reports: Report[] = []
  for (const count of quick ? [500] : [1_000, 10_000, 50_000]) reports.push(await measureSize(set, count, quick))
  const own: Figure[] = []
  for (const count of quick ? [500] : [1_000, 10_000, 50_000, 100_000])
    own.push(...(await measureOwn(set, count, quick)))
  return {
    figures: [...reports.flatMap(({ figures }) => figures), ...own],
    notes: [
      `Passages of ${set.name} (about 800 characters), multiplied with a seed; queries are those of the set.`,
      'On the main thread of a page; each engine with its own defaults, MiniSearch with `prefix: true` for prefix queries.',
      ...reports.flatMap(({ notes }) => notes),
      'Prefix queries are not quite the same work: our index completes the last word of a query by its 16 most frequent continuations; the other two complete every word, by all of them.',
      'Nearly every passage has some word of a whole question, and MiniSearch sorts all that match: short queries suit it better.',
    ],
    skipped: reasonsOf(set),
  }
}

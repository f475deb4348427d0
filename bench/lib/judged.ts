import { below, createRandom, type Random } from './random.js'
import type { BenchContext } from './result.js'

export interface JudgedDocument {
  readonly id: string
  readonly title: string
  readonly text: string
}

export interface JudgedQuery {
  readonly id: string
  readonly text: string
  /** Ids of the documents that answer it. */
  readonly relevant: ReadonlySet<string>
}

/** Documents, questions, and which document answers which. */
export interface JudgedSet {
  readonly name: string
  readonly documents: readonly JudgedDocument[]
  readonly queries: readonly JudgedQuery[]
  /** Made up here, because the real set is not on this machine: good for times, not for quality. */
  readonly isSynthetic: boolean
}

interface JudgedRow {
  readonly _id: string
  readonly title?: string
  readonly text: string
}

async function readText(url: string): Promise<string> {
  const response = await fetch(url)
  if (!response.ok) throw new Error(`${url}: ${response.status}`)
  return response.text()
}

const readRows = async (url: string): Promise<JudgedRow[]> =>
  (await readText(url))
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as JudgedRow)

/** A judged set in BEIR's layout: `docs.jsonl`, `queries.jsonl`, `qrels.tsv`. Undefined where it is not on this machine. */
export async function loadJudgedSet({ dataUrl }: BenchContext, name: string): Promise<JudgedSet | undefined> {
  if (dataUrl === undefined) return undefined
  const folder = `${dataUrl}retrieval/${name}/`
  const found = await fetch(`${folder}docs.jsonl`, { method: 'HEAD' })
  if (!found.ok) return undefined
  const [documents, queries, judgements] = await Promise.all([
    readRows(`${folder}docs.jsonl`),
    readRows(`${folder}queries.jsonl`),
    readText(`${folder}qrels.tsv`),
  ])
  const relevant = new Map<string, Set<string>>()
  for (const line of judgements.split('\n').slice(1)) {
    const [query, document, score] = line.split('\t')
    if (query === undefined || document === undefined || !(Number(score) > 0)) continue
    relevant.set(query, (relevant.get(query) ?? new Set()).add(document))
  }
  return {
    name,
    documents: documents.map(({ _id, title = '', text }) => ({ id: _id, title, text })),
    queries: queries
      .filter(({ _id }) => relevant.has(_id))
      .map(({ _id, text }) => ({ id: _id, text, relevant: relevant.get(_id) ?? new Set() })),
    isSynthetic: false,
  }
}

/** Words of made-up syllables, frequent ones first. */
function createWords(random: Random, count: number): string[] {
  const syllables = ['ba', 'co', 'der', 'en', 'fi', 'gal', 'ho', 'in', 'ka', 'lo', 'mer', 'no', 'pre', 'ra', 'so', 'ti']
  return Array.from({ length: count }, (_, rank) => {
    const length = 1 + Math.floor(Math.log10(rank + 1)) + below(random, 2)
    return Array.from({ length }, () => syllables[below(random, syllables.length)]).join('')
  })
}

/** A set with word frequencies by Zipf's law, for machines without the real ones. */
function createSyntheticSet(name: string): JudgedSet {
  const random = createRandom(7)
  const words = createWords(random, 8_000)
  const word = () => words[Math.floor(words.length ** random()) - 1] ?? 'so'
  const documents = Array.from({ length: 240 }, (_, index) => ({
    id: `synthetic-${index}`,
    title: `${word()} ${word()}`,
    text: Array.from({ length: 125 }, word).join(' '),
  }))
  const queries = documents.flatMap(({ id, text }, index) => {
    const own = text.split(' ')
    const picked = Array.from({ length: 9 }, () => own[below(random, own.length)]).join(' ')
    return [{ id: `query-${index}`, text: picked, relevant: new Set([id]) }]
  })
  return { name, documents, queries, isSynthetic: true }
}

/** A judged set, or a made-up one where it is not on this machine. */
export async function loadOrMakeJudgedSet(context: BenchContext, name: string): Promise<JudgedSet> {
  return (await loadJudgedSet(context, name)) ?? createSyntheticSet(`made-up set in place of ${name}`)
}

/**
 * As many passages as wanted: the set's own first, then copies in which one word in three is replaced by another of the set (frequent
 * ones as frequently) and a rare word of its own is added, so that the vocabulary grows with the collection as it does in life.
 */
export function multiplyDocuments(set: JudgedSet, count: number, seed = 11): JudgedDocument[] {
  const random = createRandom(seed)
  const split = set.documents.map(({ text }) => text.split(' '))
  const words = split.flat()
  return Array.from({ length: count }, (_, index) => {
    const original = set.documents[index % set.documents.length] as JudgedDocument
    if (index < set.documents.length) return original
    const own = split[index % split.length] as string[]
    const changed = own.map((word) => (random() < 1 / 3 ? (words[below(random, words.length)] as string) : word))
    changed.splice(below(random, changed.length), 0, `item${index.toString(36)}`)
    return { id: `${original.id}-${index}`, title: original.title, text: changed.join(' ') }
  })
}

/** For a report's `skipped`: that a made-up set took the place of the real one. */
export function reasonsOf({ isSynthetic, name }: JudgedSet): string[] {
  return isSynthetic ? [`with real text: a ${name} was used (name the folder of judged sets in ALCOVE_DATA_DIR)`] : []
}

/** nDCG@10 of one ranking: 1 when every relevant document stands before every other (Järvelin and Kekäläinen 2002, binary gains). */
export function ndcgAt10(ranking: readonly string[], relevant: ReadonlySet<string>): number {
  const gain = (rank: number) => 1 / Math.log2(rank + 2)
  const found = ranking.slice(0, 10).reduce((sum, id, rank) => sum + (relevant.has(id) ? gain(rank) : 0), 0)
  let ideal = 0
  for (let rank = 0; rank < Math.min(10, relevant.size); rank++) ideal += gain(rank)
  return ideal === 0 ? 0 : found / ideal
}

/** Reciprocal rank of the first relevant document of one ranking; 0 when none is in it. */
export function reciprocalRank(ranking: readonly string[], relevant: ReadonlySet<string>): number {
  const at = ranking.findIndex((id) => relevant.has(id))
  return at < 0 ? 0 : 1 / (at + 1)
}

/** Share of the relevant documents that are among the first ten. */
export function recallAt10(ranking: readonly string[], relevant: ReadonlySet<string>): number {
  return ranking.slice(0, 10).filter((id) => relevant.has(id)).length / Math.max(1, relevant.size)
}

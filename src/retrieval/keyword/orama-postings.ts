import { components, type IIndex, type SearchableType, type Tokenizer } from '@orama/orama'
import { createTopHeap } from '../vector/top-heap.js'
import { type Bm25Parameters, Postings } from './postings.js'

/** What Orama's search has no parameter for. */
export interface PostingsRequest {
  /** Most rows wanted: a search that matches half the passages must not sort them all. */
  readonly limit: number
  /** Which passages may be found, by the id that they were inserted with. */
  readonly allow: ((id: number) => boolean) | undefined
}

/** Index state inside an Orama instance. */
interface PostingsStore {
  readonly fields: Map<string, Postings>
  /** Passage id of each internal id. */
  readonly idOf: number[]
  readonly types: Record<string, SearchableType>
  /** None, ever; Orama looks at it in each search. */
  readonly vectorIndexes: Readonly<Record<string, never>>
}

export interface PostingsComponent {
  readonly component: IIndex<never>
  /** Runs an Orama search with this request in force. */
  withRequest<T>(request: PostingsRequest, run: () => T): T
  /** Score of an ideal passage: every token of the query, often, in the text. */
  bestPossible(tokens: readonly string[], parameters: Bm25Parameters): number
}

/** First character of the scripts that are written without spaces (Thai); those before it are written with. */
const spacelessFrom = '\u0e00'
/** Spellings that one unknown word of a query may stand for. */
const maxExpansions = 16
const unbounded: PostingsRequest = { limit: Number.MAX_SAFE_INTEGER, allow: undefined }

/**
 * Orama's index component (see `components.index`, as its own plugin-qps replaces it) over `Postings`: string fields only. A query word
 * matches itself; one that occurs nowhere matches the words that begin with it, and a single character of a script without spaces the
 * pairs that contain it.
 */
export function createPostingsComponent(): PostingsComponent {
  let current: PostingsRequest = unbounded
  const store: PostingsStore = { fields: new Map(), idOf: [], types: {}, vectorIndexes: {} }
  const component = {
    ...components.index.createIndex(),
    create: (_orama: unknown, _ids: unknown, schema: Record<string, SearchableType>) => fillStore(store, schema),
    insert: insertValue,
    remove: removeValue,
    search: (...input: SearchInput) => searchPostings(input, current),
    getSearchableProperties: (index: PostingsStore) => [...index.fields.keys()],
    getSearchablePropertiesWithTypes: (index: PostingsStore) => index.types,
  }
  return {
    // Orama's type wants the methods that only its own search calls, in terms of its own store.
    component: component as unknown as IIndex<never>,
    withRequest(request, run) {
      current = request
      try {
        return run()
      } finally {
        current = unbounded
      }
    },
    bestPossible: (tokens, parameters) => scoreOfAll(tokens, store.fields.get('text'), parameters),
  }
}

/** What Orama gives to `insert` and `remove`. */
type ValueInput = [
  self: unknown,
  index: PostingsStore,
  field: string,
  id: unknown,
  internalId: number,
  value: unknown,
  type: unknown,
  language: unknown,
  tokenizer: Tokenizer,
]
/** What Orama gives to `search`. */
type SearchInput = [
  index: PostingsStore,
  term: string,
  tokenizer: Tokenizer,
  language: unknown,
  fields: string[],
  exact: boolean,
  tolerance: number,
  boost: Partial<Record<string, number>>,
  parameters: Bm25Parameters,
]

function fillStore(store: PostingsStore, schema: Record<string, SearchableType>): PostingsStore {
  for (const [field, type] of Object.entries(schema)) {
    store.fields.set(field, new Postings())
    store.types[field] = type
  }
  return store
}

function insertValue(...[, index, field, id, internalId, value, , , tokenizer]: ValueInput): void {
  index.idOf[internalId] = Number(id)
  index.fields.get(field)?.add(internalId, tokenizer.tokenize(String(value)))
}

function removeValue(...[, index, field, , internalId, value, , , tokenizer]: ValueInput): boolean {
  index.fields.get(field)?.remove(internalId, tokenizer.tokenize(String(value)))
  return true
}

function searchPostings(input: SearchInput, request: PostingsRequest): [number, number][] {
  const [index, term, tokenizer, , fields, , , boost, parameters] = input
  const scores = new Float32Array(index.idOf.length)
  for (const token of new Set(tokenizer.tokenize(term))) {
    const spellings = spellingsOf(token, [...index.fields.values()])
    for (const field of fields) index.fields.get(field)?.score(spellings, boost[field] ?? 1, parameters, scores)
  }
  return selectRows(scores, index.idOf, request)
}

/** The score of a passage that has every token, often. */
function scoreOfAll(tokens: readonly string[], text: Postings | undefined, { k }: Bm25Parameters): number {
  if (text === undefined) return 0
  let sum = 0
  for (const token of new Set(tokens)) {
    const frequency = text.documentFrequency(token)
    const score = Math.log(1 + (text.size - frequency + 0.5) / (frequency + 0.5)) * (k + 1)
    // A pair that reaches over two words need not occur anywhere.
    sum += frequency === 0 && token >= spacelessFrom ? score / 2 : score
  }
  return sum
}

function spellingsOf(token: string, fields: readonly Postings[]): readonly string[] {
  if (fields.some((postings) => postings.documentFrequency(token) > 0)) return [token]
  const isCharacter = token.length <= 2 && [...token].length === 1 && token >= spacelessFrom
  if (!isCharacter && token.length < 3) return []
  const matches = isCharacter ? (other: string) => other.includes(token) : (other: string) => other.startsWith(token)
  return [...new Set(fields.flatMap((postings) => postings.tokensWhere(matches, maxExpansions)))]
}

/** The best rows above 0 that may be found, as Orama wants them: internal id and score. */
function selectRows(
  scores: Float32Array,
  idOf: readonly number[],
  { limit, allow }: PostingsRequest,
): [number, number][] {
  const heap = createTopHeap(Math.min(limit, scores.length))
  for (let internalId = 1; internalId < scores.length; internalId++) {
    const score = scores[internalId] as number
    if (score <= 0 || score < heap.floor) continue
    if (allow === undefined || allow(idOf[internalId] as number)) heap.push(internalId, score)
  }
  return heap.drain().map(({ id, score }) => [id, score])
}

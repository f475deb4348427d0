import { type AnyOrama, create, insert, type Orama, remove, search, type Tokenizer } from '@orama/orama'
import type { ScoredId } from '../vector/top-heap.js'
import { createPostingsComponent } from './orama-postings.js'
import { createTokenize, type Tokenize } from './tokenize.js'

/** A passage as it is searched. */
export interface IndexedPassage {
  /** Whole number from 0; never used twice in the life of an index. */
  readonly id: number
  readonly text: string
  readonly title: string
  /** Titles of the sections that hold it. */
  readonly headings: readonly string[]
}

/** What a keyword search found. */
export interface KeywordMatches {
  /** The best rows by BM25, best first, all above 0; equal ones by id. */
  readonly rows: readonly ScoredId[]
  /** What a passage would score that had all words of the query often: rows can be held against it. */
  readonly bestPossible: number
}

/** Keyword search over passages. */
export interface TextIndex {
  /** Number of passages. */
  readonly size: number
  add(passages: readonly IndexedPassage[]): void
  /** Removes passages; those that are not there are passed over. */
  remove(ids: readonly number[]): void
  /** The `limit` best among the ids that `allow` lets through. Any word of the query may match, rare words count most. */
  search(query: string, limit: number, allow?: (id: number) => boolean): KeywordMatches
}

const schema = { text: 'string', title: 'string', headings: 'string' } as const
/** How much a word in the title or a heading counts beside one in the text; 0.3 to 0.6 measured alike on the judged sets. */
const boost = { text: 1, title: 0.4, headings: 0.4 }
/** BM25's usual parameters; the judged sets did not tell others apart from them. */
const relevance = { k: 1.2, b: 0.75, d: 0 }

/**
 * A text index on Orama: its schema, documents and full-text search, with a tokenizer of our own (all scripts) and postings of our own in
 * place of its radix trees (`components.index`), which at 50,000 passages take several times as long to build and to search.
 */
export function createTextIndex(tokenize: Tokenize = createTokenize()): TextIndex {
  const postings = createPostingsComponent()
  const tokenizer: Tokenizer = { language: 'any', normalizationCache: new Map(), tokenize }
  const orama = create({
    schema,
    sort: { enabled: false },
    components: { tokenizer, index: postings.component },
  }) as unknown as Orama<typeof schema>
  const ids = new Set<number>()

  return {
    get size() {
      return ids.size
    },
    add(passages) {
      for (const { id, text, title, headings } of passages) {
        // Orama keeps and changes what it is given, so it gets an object of its own. Without hooks it inserts synchronously.
        insert(orama, { id: String(id), text, title, headings: headings.join('\n') }, undefined, true)
        ids.add(id)
      }
    },
    remove(removed) {
      for (const id of removed) {
        if (ids.delete(id)) remove(orama as AnyOrama, String(id), undefined, true)
      }
    },
    search(query, limit, allow) {
      const request = { limit, allow }
      const rows = postings.withRequest(request, () => {
        const found = search(orama, { term: query, limit, boost, relevance, properties: '*' })
        if (found instanceof Promise) throw new TypeError('a search without hooks is synchronous')
        return found.hits.map(({ id, score }) => ({ id: Number(id), score }))
      })
      return { rows, bestPossible: postings.bestPossible(tokenize(query), relevance) }
    },
  }
}

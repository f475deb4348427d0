import type { Metadata, SearchMode, SearchOptions } from '../../protocol/corpus.js'
import { AlcoveError } from '../../protocol/error.js'
import { checkMetadata } from '../document-input.js'

/** A search whose every option is known to be one. */
export interface CheckedSearch {
  /** At least one; none blank, unless all are. */
  readonly queries: readonly string[]
  readonly topK: number
  readonly mode: SearchMode
  readonly where: Metadata | undefined
  /** From 0, not 0 for both. */
  readonly weights: { readonly keyword: number; readonly vector: number }
  /** From 0 to 1. */
  readonly diversity: number
}

const modes: readonly SearchMode[] = ['hybrid', 'keyword', 'vector']
const maxTopK = 1000
const maxQueries = 16
/** Longest part of a query that is looked at, in UTF-16 code units: ten times what an embedding model reads. */
const maxQueryLength = 200_000

/** @throws AlcoveError `invalid-argument` that names the option */
export function checkSearch(query: unknown, options: SearchOptions): CheckedSearch {
  const { topK = 10, mode = 'hybrid', where, diversity = 0, rerank } = options
  if (!(Number.isInteger(topK) && topK >= 1 && topK <= maxTopK)) {
    throw wrong('topK', `a whole number from 1 to ${maxTopK}`, topK)
  }
  if (!modes.includes(mode)) throw wrong('mode', "'hybrid', 'keyword' or 'vector'", `'${String(mode)}'`)
  if (where !== undefined) checkMetadata(where, 'where')
  if (!(typeof diversity === 'number' && diversity >= 0 && diversity <= 1)) {
    throw wrong('diversity', 'a number from 0 to 1', diversity)
  }
  if (rerank !== undefined && typeof rerank !== 'boolean' && (typeof rerank !== 'string' || rerank === '')) {
    throw wrong('rerank', 'true, false or the id of a model', rerank)
  }
  return { queries: checkQueries(query), topK, mode, where, weights: checkWeights(options.weights), diversity }
}

function checkQueries(query: unknown): string[] {
  const queries: unknown[] = Array.isArray(query) ? query : [query]
  if (queries.length < 1 || queries.length > maxQueries) {
    throw wrong('query', `a text, or a list of 1 to ${maxQueries} texts`, `a list of ${queries.length}`)
  }
  const texts = queries.map((text) => {
    if (typeof text !== 'string') throw wrong('query', 'a text', text === null ? 'null' : typeof text)
    return text.slice(0, maxQueryLength)
  })
  const filled = [...new Set(texts.filter((text) => text.trim() !== ''))]
  return filled.length > 0 ? filled : ['']
}

function checkWeights(weights: SearchOptions['weights']): CheckedSearch['weights'] {
  if (weights === undefined) return { keyword: 1, vector: 1 }
  if (typeof weights !== 'object' || weights === null) throw wrong('weights', '{ keyword, vector }', weights)
  const { keyword = 1, vector = 1 } = weights
  for (const [name, value] of Object.entries({ keyword, vector })) {
    if (typeof value === 'number' && value >= 0 && value < Number.POSITIVE_INFINITY) continue
    throw wrong(`weights.${name}`, 'a number from 0', value)
  }
  if (keyword === 0 && vector === 0) throw wrong('weights', 'a weight above 0 for one leg at least', '0 for both')
  return { keyword, vector }
}

function wrong(option: string, expected: string, got: unknown): AlcoveError {
  return new AlcoveError('invalid-argument', `${option}: expected ${expected}, got ${String(got)}`)
}

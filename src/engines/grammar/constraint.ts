import { AlcoveError } from '../../protocol/error.js'
import type { OutputConstraint } from '../../protocol/model.js'
import { type AcceptorState, createAcceptor } from './acceptor.js'
import { readGbnf } from './read-gbnf.js'
import { schemaGrammar } from './schema-grammar.js'
import { createTokenTrie } from './token-trie.js'
import type { Vocabulary } from './vocabulary.js'

/** Keeps one answer within its form, token by token. */
export interface TokenConstraint {
  /** Whether the form is complete and nothing may follow. */
  readonly isComplete: boolean
  /**
   * Forbids every token that cannot come next.
   * @param logits one number for each token; changed in place
   * @throws AlcoveError `output-invalid` when no token of this vocabulary fits
   */
  restrict(logits: Float32Array): void
  /** Takes a token that was allowed. */
  accept(token: number): void
  /** Tokens of what must come next, where there is only one way; they are not accepted by this. */
  forced(): readonly number[]
}

/** Makes constraints for one model. */
export interface Constrainer {
  /** @throws AlcoveError `invalid-argument` for a grammar or schema that cannot be used */
  start(output: OutputConstraint): TokenConstraint
}

/** Grammars that are kept ready, with the masks that were worked out for them. */
const MAX_GRAMMARS = 8
/** A shorter text is not worth encoding. */
const MIN_FORCED = 4
const MAX_FORCED = 256

/** @param endTokens those that end an answer: allowed where the form is complete */
export function createConstrainer(vocabulary: Vocabulary, endTokens: ReadonlySet<number>): Constrainer {
  const trie = createTokenTrie(vocabulary.tokens.map((token, id) => (endTokens.has(id) ? '' : token)))
  const ready = new Map<string, AcceptorState>()

  const open = (output: OutputConstraint): AcceptorState => {
    const key = JSON.stringify(output)
    const state = ready.get(key) ?? createAcceptor(grammarOf(output))
    ready.delete(key)
    ready.set(key, state)
    for (const oldest of ready.keys()) {
      if (ready.size <= MAX_GRAMMARS) break
      ready.delete(oldest)
    }
    return state
  }

  const read = (from: AcceptorState, token: number): AcceptorState => {
    const bytes = vocabulary.tokens[token] ?? ''
    let state = from
    for (let at = 0; at < bytes.length; at++) {
      const next = state.next(bytes.charCodeAt(at))
      if (next === undefined) throw new AlcoveError('internal', `token ${token} does not fit the grammar`)
      state = next
    }
    return state
  }

  return {
    start(output) {
      let state = open(output)
      return {
        get isComplete() {
          return state.isAccepting && followers(state).next().done === true
        },
        restrict(logits) {
          const allowed = trie.allowed(state)
          let any = false
          for (let token = 0; token < logits.length; token++) {
            const fits =
              ((allowed[token >> 5] ?? 0) >>> (token & 31)) & 1 || (state.isAccepting && endTokens.has(token))
            if (fits) any = true
            else logits[token] = Number.NEGATIVE_INFINITY
          }
          if (!any) throw new AlcoveError('output-invalid', 'the model has no token for what the grammar wants next')
        },
        accept(token) {
          if (!endTokens.has(token)) state = read(state, token)
        },
        forced: () => forcedTokens(state, vocabulary, read),
      }
    },
  }
}

function grammarOf(output: OutputConstraint) {
  if (output.type === 'json-schema') return schemaGrammar(output.schema)
  if (output.syntax === 'gbnf') return readGbnf(output.grammar)
  throw new AlcoveError('invalid-argument', `output: this model takes grammars in GBNF, got '${output.syntax}'`)
}

/** States that may follow, with their bytes. */
function* followers(state: AcceptorState): Generator<readonly [byte: number, next: AcceptorState]> {
  for (let byte = 0; byte < 256; byte++) {
    const next = state.next(byte)
    if (next !== undefined) yield [byte, next]
  }
}

/**
 * The last token of a forced text is left to the model, unless nothing can follow: it may be the beginning of a longer one, and a model
 * that has to go on from an unusual cut writes worse.
 */
function forcedTokens(
  from: AcceptorState,
  vocabulary: Vocabulary,
  read: (state: AcceptorState, token: number) => AcceptorState,
): readonly number[] {
  const bytes: number[] = []
  let state = from
  let isOnly = true
  while (isOnly && !state.isAccepting && bytes.length < MAX_FORCED) {
    const ways = followers(state)
    const { value: way } = ways.next()
    isOnly = way !== undefined && ways.next().done === true
    if (!isOnly || !way) break
    bytes.push(way[0])
    state = way[1]
  }
  if (bytes.length < MIN_FORCED) return []
  const text = new TextDecoder().decode(Uint8Array.from(bytes)).replace(/\uFFFD+$/, '')
  const tokens = vocabulary.encode(text)
  const isWhole = tokens.map((token) => vocabulary.tokens[token] ?? '').join('') === toBytes(text)
  if (!isWhole) return []
  const isEnd = state.isAccepting && followers(state).next().done === true && toBytes(text).length === bytes.length
  const certain = isEnd ? tokens : tokens.slice(0, -1)
  certain.reduce(read, from)
  return certain
}

const toBytes = (text: string) =>
  Array.from(new TextEncoder().encode(text), (byte) => String.fromCharCode(byte)).join('')

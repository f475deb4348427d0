import type { AcceptorState } from './acceptor.js'

/** The tokens of a vocabulary as a tree of their bytes, for finding which of them a grammar takes next. */
export interface TokenTrie {
  /** Number of token ids. */
  readonly size: number
  /** Sets a bit for each token that fits after a state: bit `token & 31` of word `token >> 5`. */
  allowed(state: AcceptorState): Uint32Array
}

/**
 * @param tokens bytes of each token as a string of characters U+0000 to U+00FF; '' for one that must never be written
 */
export function createTokenTrie(tokens: readonly string[]): TokenTrie {
  const { bytes, depths, ends, first, ids } = buildNodes(tokens)
  const known = new WeakMap<AcceptorState, Uint32Array>()

  const find = (start: AcceptorState): Uint32Array => {
    const bits = new Uint32Array(Math.ceil(tokens.length / 32))
    const path: AcceptorState[] = [start]
    for (let node = 0; node < bytes.length; ) {
      const depth = depths[node] as number
      const state = (path[depth] as AcceptorState).next(bytes[node] as number)
      if (state === undefined) {
        node = ends[node] as number
        continue
      }
      path[depth + 1] = state
      for (let at = first[node] as number; at < (first[node + 1] as number); at++) {
        const token = ids[at] as number
        bits[token >> 5] = (bits[token >> 5] as number) | (1 << (token & 31))
      }
      node++
    }
    return bits
  }

  return {
    size: tokens.length,
    allowed(state) {
      let bits = known.get(state)
      if (bits === undefined) {
        bits = find(state)
        known.set(state, bits)
      }
      return bits
    },
  }
}

/** Nodes in the order of a walk from the root: the children of a node follow it, up to its `end`. */
function buildNodes(tokens: readonly string[]) {
  const order = tokens.map((_, token) => token).filter((token) => tokens[token] !== '')
  order.sort((a, b) => compare(tokens[a] as string, tokens[b] as string))
  const bytes: number[] = []
  const depths: number[] = []
  const ends: number[] = []
  const first: number[] = []
  const ids: number[] = []
  /** Nodes on the way to the last token. */
  const open: number[] = []
  let previous = ''
  for (const token of order) {
    const text = tokens[token] as string
    let common = 0
    while (common < previous.length && common < text.length && previous[common] === text[common]) common++
    while (open.length > common) ends[open.pop() as number] = bytes.length
    for (let depth = common; depth < text.length; depth++) {
      open.push(bytes.length)
      depths.push(depth)
      bytes.push(text.charCodeAt(depth))
      first.push(ids.length)
    }
    ids.push(token)
    previous = text
  }
  while (open.length > 0) ends[open.pop() as number] = bytes.length
  first.push(ids.length)
  return {
    bytes: Uint8Array.from(bytes),
    depths: Uint16Array.from(depths),
    ends: Int32Array.from(ends),
    first: Int32Array.from(first),
    ids: Int32Array.from(ids),
  }
}

const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0)

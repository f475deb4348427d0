import { type AcceptorState, createAcceptor } from '../../../src/engines/grammar/acceptor.js'
import type { Grammar } from '../../../src/engines/grammar/grammar.js'

/** The state after a text; undefined when it does not fit. */
export function readText(start: AcceptorState | undefined, text: string): AcceptorState | undefined {
  let state = start
  for (const byte of new TextEncoder().encode(text)) state = state?.next(byte)
  return state
}

/** Whether the whole text fits. */
export function fits(grammar: Grammar, text: string): boolean {
  return readText(createAcceptor(grammar), text)?.isAccepting === true
}

/** Numbers in [0, 1) from a seed (mulberry32). */
export function createRandom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** A text that fits, byte by byte by chance; it ends as soon as it may, mostly, and leaves loops by quotation marks and brackets. */
export function writeText(grammar: Grammar, random: () => number, maxBytes = 20_000): string {
  const bytes: number[] = []
  let state: AcceptorState | undefined = createAcceptor(grammar)
  while (state !== undefined && bytes.length < maxBytes) {
    if (state.isAccepting && random() < 0.7) break
    const ways = Array.from({ length: 256 }, (_, byte) => byte).filter((byte) => state?.next(byte) !== undefined)
    if (ways.length === 0) break
    const closing = ways.filter((byte) => '"]}'.includes(String.fromCharCode(byte)))
    const from = closing.length > 0 && random() < 0.5 ? closing : ways
    const byte = from[Math.floor(random() * from.length)] as number
    bytes.push(byte)
    state = state.next(byte)
  }
  return new TextDecoder('utf-8', { fatal: true }).decode(Uint8Array.from(bytes))
}

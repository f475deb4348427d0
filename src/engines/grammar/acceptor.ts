import { AlcoveError } from '../../protocol/error.js'
import { byteSequences, normalizeRanges } from './byte-ranges.js'
import type { Grammar, Rule } from './grammar.js'

/** What a grammar has read so far. The same object whenever the same may follow, as far as is known. */
export interface AcceptorState {
  /** Whether the text may end here. */
  readonly isAccepting: boolean
  /** The state after one more byte of UTF-8; undefined when it does not fit. */
  next(byte: number): AcceptorState | undefined
}

/** Steps of a compiled rule: `END`, a call of rule `-n - 2`, or a byte of set `n`. */
const END = -1
/** More than this are only open at once in a grammar that is recursive on its left. */
const MAX_THREADS = 4_096
/** States and stacks that are kept for use again. */
const MAX_KEPT = 20_000

/** A place to go on from, and the place to return to after the rule of that place. */
interface Thread {
  readonly id: number
  readonly place: number
  readonly caller: Thread | undefined
}

/**
 * Prepares a grammar for reading byte after byte. Works on sets of stacks, as llama.cpp's grammar sampler does, with equal stacks made one
 * and transitions remembered: in a loop a byte costs a look-up.
 * @throws AlcoveError `invalid-argument` for a rule that is missing, and while reading for left recursion
 */
export function createAcceptor(grammar: Grammar): AcceptorState {
  const { steps, alternatives, sets, root } = new Compiler(grammar).compile()
  const threads = new Map<number, Thread>()
  const states = new Map<string, State>()
  let threadCount = 0

  const threadAt = (place: number, caller: Thread | undefined): Thread => {
    const key = (caller?.id ?? 0) * steps.length + place
    let thread = threads.get(key)
    if (thread === undefined) {
      thread = { id: ++threadCount, place, caller }
      threads.set(key, thread)
    }
    return thread
  }

  /** Adds all places before a byte that can be reached from a place. */
  const expand = (from: number, caller: Thread | undefined, found: Set<Thread | undefined>, seen: Set<Thread>) => {
    const open = [threadAt(from, caller)]
    for (let thread = open.pop(); thread !== undefined; thread = open.pop()) {
      if (seen.has(thread)) continue
      if (seen.size > MAX_THREADS) {
        throw new AlcoveError('invalid-argument', 'grammar: a rule begins with itself, or too many are open at once')
      }
      seen.add(thread)
      const { place, caller: back } = thread
      const step = steps[place] as number
      if (step >= 0) found.add(thread)
      else if (step !== END) {
        // Nothing to come back for after a call at the end of a rule: loops run in constant space.
        const next = steps[place + 1] === END ? back : threadAt(place + 1, back)
        for (const start of alternatives[-step - 2] as readonly number[]) open.push(threadAt(start, next))
      } else if (back === undefined) found.add(undefined)
      else open.push(back)
    }
  }

  class State implements AcceptorState {
    readonly isAccepting: boolean
    readonly #threads: readonly Thread[]
    /** Not a typed array: most states see a few bytes only. */
    readonly #next: (State | null | undefined)[] = []

    constructor(found: ReadonlySet<Thread | undefined>) {
      this.isAccepting = found.has(undefined)
      this.#threads = [...found].filter((thread) => thread !== undefined)
    }

    next(byte: number): State | undefined {
      const known = this.#next[byte]
      if (known !== undefined) return known ?? undefined
      const found = new Set<Thread | undefined>()
      const seen = new Set<Thread>()
      for (const { place, caller } of this.#threads) {
        if (has(sets[steps[place] as number] as Uint32Array, byte)) expand(place + 1, caller, found, seen)
      }
      const state = found.size === 0 ? null : stateOf(found)
      this.#next[byte] = state
      return state ?? undefined
    }
  }

  const stateOf = (found: ReadonlySet<Thread | undefined>): State => {
    const key = Array.from(found, (thread) => thread?.id ?? 0)
      .sort((a, b) => a - b)
      .join(',')
    let state = states.get(key)
    if (state === undefined) {
      if (states.size > MAX_KEPT) states.clear()
      // Ids are not given twice, so stacks of older states stay apart from new ones.
      if (threads.size > 10 * MAX_KEPT) threads.clear()
      state = new State(found)
      states.set(key, state)
    }
    return state
  }

  const first = new Set<Thread | undefined>()
  expand(root, undefined, first, new Set())
  return stateOf(first)
}

const has = (set: Uint32Array, byte: number) => (((set[byte >> 5] as number) >>> (byte & 31)) & 1) === 1

/** Turns rules into steps: choices and repetitions become rules of their own. */
class Compiler {
  readonly #grammar: Grammar
  readonly #steps: number[] = []
  readonly #alternatives: number[][] = []
  readonly #sets: Uint32Array[] = []
  readonly #setNumbers = new Map<string, number>()
  readonly #names = new Map<string, number>()
  readonly #characters = new Map<string, number>()

  constructor(grammar: Grammar) {
    this.#grammar = grammar
  }

  compile() {
    const root = this.#emit([this.#call(this.#named('root'))])
    return {
      steps: Int32Array.from(this.#steps),
      alternatives: this.#alternatives as readonly (readonly number[])[],
      sets: this.#sets as readonly Uint32Array[],
      root,
    }
  }

  #call(rule: number): number {
    return -rule - 2
  }

  #emit(steps: readonly number[]): number {
    const start = this.#steps.length
    for (const step of steps) this.#steps.push(step)
    this.#steps.push(END)
    return start
  }

  #newRule(): number {
    return this.#alternatives.push([]) - 1
  }

  #addAlternative(rule: number, steps: readonly number[]): void {
    ;(this.#alternatives[rule] as number[]).push(this.#emit(steps))
  }

  #named(name: string): number {
    const known = this.#names.get(name)
    if (known !== undefined) return known
    const rule = this.#grammar.rules.get(name)
    if (rule === undefined) throw new AlcoveError('invalid-argument', `grammar: there is no rule '${name}'`)
    const number = this.#newRule()
    this.#names.set(name, number)
    this.#fill(number, rule)
    return number
  }

  #fill(number: number, rule: Rule): void {
    const options = rule.type === 'choice' ? rule.options : [rule]
    for (const option of options) this.#addAlternative(number, this.#stepsOf(option))
  }

  #stepsOf(rule: Rule): number[] {
    switch (rule.type) {
      case 'text':
        return Array.from(new TextEncoder().encode(rule.text), (byte) => this.#setOf(byte, byte))
      case 'sequence':
        return rule.items.flatMap((item) => this.#stepsOf(item))
      case 'reference':
        return [this.#call(this.#named(rule.name))]
      case 'characters':
        return [this.#charactersOf(rule)]
      case 'repeat':
        return this.#repeatOf(rule)
      default: {
        const number = this.#newRule()
        this.#fill(number, rule)
        return [this.#call(number)]
      }
    }
  }

  #repeatOf({ item, min, max }: Extract<Rule, { type: 'repeat' }>): number[] {
    const inner = this.#stepsOf(item)
    const steps: number[] = []
    for (let count = 0; count < min; count++) steps.push(...inner)
    if (max === Number.POSITIVE_INFINITY) {
      const loop = this.#newRule()
      this.#addAlternative(loop, [...inner, this.#call(loop)])
      this.#addAlternative(loop, [])
      return [...steps, this.#call(loop)]
    }
    let rest: number | undefined
    for (let count = min; count < max; count++) {
      const next = this.#newRule()
      this.#addAlternative(next, rest === undefined ? inner : [...inner, this.#call(rest)])
      this.#addAlternative(next, [])
      rest = next
    }
    return rest === undefined ? steps : [...steps, this.#call(rest)]
  }

  #charactersOf({ ranges, isNegated }: Extract<Rule, { type: 'characters' }>): number {
    const key = `${isNegated}${ranges.join(' ')}`
    const known = this.#characters.get(key)
    if (known !== undefined) return known
    const sequences = normalizeRanges(ranges, isNegated).flatMap(([from, to]) => byteSequences(from, to))
    const single = sequences.filter((bytes) => bytes.length === 1).map(([range]) => range as readonly [number, number])
    const longer = sequences.filter((bytes) => bytes.length > 1)
    let step: number
    if (longer.length === 0) {
      step = this.#setOf(...single.flat())
    } else {
      const rule = this.#newRule()
      if (single.length > 0) this.#addAlternative(rule, [this.#setOf(...single.flat())])
      for (const bytes of longer)
        this.#addAlternative(
          rule,
          bytes.map(([from, to]) => this.#setOf(from, to)),
        )
      step = this.#call(rule)
    }
    this.#characters.set(key, step)
    return step
  }

  /** The number of a set of bytes, given as pairs of first and last. */
  #setOf(...pairs: readonly number[]): number {
    const key = pairs.join(',')
    const known = this.#setNumbers.get(key)
    if (known !== undefined) return known
    const set = new Uint32Array(8)
    for (let at = 0; at < pairs.length; at += 2) {
      for (let byte = pairs[at] as number; byte <= (pairs[at + 1] as number); byte++) {
        set[byte >> 5] = (set[byte >> 5] as number) | (1 << (byte & 31))
      }
    }
    this.#sets.push(set)
    this.#setNumbers.set(key, this.#sets.length - 1)
    return this.#sets.length - 1
  }
}

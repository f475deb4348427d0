import { describe, expect, it } from 'vitest'
import { createPrefixSlots, type PrefixSlot } from '../../../src/engines/transformers/prefix-slots.js'

/** A state is the list of tokens that it was made of, so that a wrong copy shows. */
interface State {
  read: number[]
  disposed: boolean
}

function setup(options: { maxSlots?: number; maxBytes?: number; canCopy?: boolean } = {}) {
  const states: State[] = []
  const make = (read: number[]) => {
    const state = { read, disposed: false }
    states.push(state)
    return state
  }
  const slots = createPrefixSlots<State>(
    {
      create: () => make([]),
      canCopy: (state, tokens) => options.canCopy !== false && state.read.length === tokens,
      copy: async (state, length) => make(state.read.slice(0, length)),
      bytes: (state) => state.read.length * 10,
      dispose: async (state) => {
        state.disposed = true
      },
    },
    options,
  )
  /** Reads a prompt and an answer as the decoder does; returns how many tokens it had already. */
  const ask = async (prompt: readonly number[], answer: readonly number[] = []) => {
    const slot: PrefixSlot<State> = await slots.take(prompt)
    expect(slot.cache.disposed).toBe(false)
    expect(slot.cache.read).toEqual(slot.tokens)
    expect(slot.tokens).toEqual(prompt.slice(0, slot.tokens.length))
    const kept = slot.tokens.length
    for (const token of [...prompt.slice(kept), ...answer]) {
      slot.tokens.push(token)
      slot.cache.read.push(token)
    }
    return kept
  }
  return { slots, ask, alive: () => states.filter(({ disposed }) => !disposed).length }
}

const range = (from: number, count: number) => Array.from({ length: count }, (_, index) => from + index)

describe('createPrefixSlots', () => {
  it('goes on in a conversation that grew, and reads only the last token of an equal prompt', async () => {
    const { ask, alive } = setup()
    expect(await ask(range(0, 20), range(100, 5))).toBe(0)
    expect(await ask([...range(0, 20), ...range(100, 5), 200, 201])).toBe(25)
    expect(await ask(range(0, 20))).toBe(19)
    expect(alive()).toBe(1)
  })

  it('keeps two conversations that take turns, and what they share', async () => {
    const { ask } = setup()
    const shared = range(0, 100)
    const first = [...shared, ...range(1_000, 100)]
    const second = [...shared, ...range(2_000, 100)]
    expect(await ask(first)).toBe(0)
    expect(await ask(second)).toBe(100)
    expect(await ask([...first, 1])).toBe(200)
    expect(await ask([...second, 2])).toBe(200)
  })

  it('drops the one that was not used for longest when there are too many or too large', async () => {
    const few = setup({ maxSlots: 2 })
    const talk = (at: number) => range(at * 1_000, 50)
    await few.ask(talk(1))
    await few.ask(talk(2))
    await few.ask([...talk(1), 5])
    await few.ask(talk(3))
    expect(few.alive()).toBe(2)
    expect(await few.ask([...talk(1), 5, 6])).toBe(51)
    expect(await few.ask(talk(2))).toBe(0)
    const small = setup({ maxBytes: 1_200 })
    await small.ask(talk(1))
    await small.ask(talk(2))
    expect(small.alive()).toBe(2)
    await small.ask(talk(3))
    expect(small.alive()).toBe(2)
    expect(await small.ask(range(9_000, 500))).toBe(0)
    expect(small.alive()).toBe(1)
  })

  it('does not evict others for a conversation that only grows within the limits', async () => {
    const { ask, alive } = setup({ maxSlots: 2 })
    await ask(range(0, 50))
    await ask(range(1_000, 50))
    expect(await ask(range(1_000, 60))).toBe(50)
    expect(alive()).toBe(2)
    expect(await ask(range(0, 60))).toBe(50)
  })

  it('reads anew where a state cannot be shortened, and goes on where it need not be', async () => {
    const { ask } = setup({ canCopy: false })
    expect(await ask(range(0, 20))).toBe(0)
    expect(await ask(range(0, 30))).toBe(20)
    expect(await ask(range(0, 20))).toBe(0)
  })

  it('forgets all', async () => {
    const { ask, slots, alive } = setup()
    await ask(range(0, 20))
    await slots.clear()
    expect(alive()).toBe(0)
    expect(await ask(range(0, 21))).toBe(0)
  })
})

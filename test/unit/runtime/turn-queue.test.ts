import { describe, expect, it } from 'vitest'
import { createTurnQueue, type EnterOptions } from '../../../src/runtime/turn-queue.js'

const settle = () => new Promise((resolve) => setTimeout(resolve))

/** Holds the first turn, lets others wait, and says in which order they had theirs. */
async function line(entries: readonly (EnterOptions & { readonly name: string })[]) {
  const queue = createTurnQueue()
  const endFirst = await queue.enter()
  const order: string[] = []
  const waits = entries.map(async ({ name, ...options }) => {
    const end = await queue.enter(options)
    order.push(name)
    await settle()
    end()
  })
  endFirst()
  await Promise.allSettled(waits)
  return order
}

describe('createTurnQueue', () => {
  it('lets interactive ones go before those in the background', async () => {
    const order = await line([
      { name: 'b1', priority: 'background' },
      { name: 'i1' },
      { name: 'b2', priority: 'background' },
      { name: 'i2', priority: 'interactive' },
    ])
    expect(order).toEqual(['i1', 'i2', 'b1', 'b2'])
  })

  it('does not let the background wait for ever', async () => {
    const many = Array.from({ length: 12 }, (_, index) => ({ name: `i${index}` }))
    const order = await line([{ name: 'b', priority: 'background' }, ...many])
    expect(order.indexOf('b')).toBe(8)
  })

  it('lets owners take turns', async () => {
    const order = await line([
      { name: 'a1', owner: 'a' },
      { name: 'a2', owner: 'a' },
      { name: 'a3', owner: 'a' },
      { name: 'b1', owner: 'b' },
      { name: 'b2', owner: 'b' },
      { name: 'x' },
    ])
    expect(order).toHaveLength(6)
    expect(order.indexOf('b1')).toBeLessThan(order.indexOf('a2'))
    expect(order.indexOf('b2')).toBeLessThan(order.indexOf('a3'))
    expect(order.indexOf('x')).toBeLessThan(order.indexOf('a2'))
  })

  it('lets newcomers, however many, not keep out an owner who had a turn before', async () => {
    const queue = createTurnQueue()
    const order: string[] = []
    const enter = async (owner: string) => {
      const end = await queue.enter({ owner })
      order.push(owner)
      await settle()
      end()
    }
    const end = await queue.enter({ owner: 'long' })
    const early = enter('early')
    const waits = [enter('long')]
    end()
    await early
    // Each comes when the owner's next request waits already.
    for (let count = 0; count < 5; count++) {
      waits.push(enter(`late ${count}`), enter(`later ${count}`))
      await settle()
    }
    await Promise.all(waits)
    expect(order.slice(0, 2)).toEqual(['early', 'long'])
    expect(order).toHaveLength(12)
  })

  it('tells places by which all have their turn, also of a background one that is due soon', async () => {
    const queue = createTurnQueue()
    let end = await queue.enter()
    const places = new Map<string, number>()
    const wait = (name: string, options: EnterOptions = {}) =>
      queue.enter({ ...options, onPosition: (place) => places.set(name, place) })
    const background = wait('background', { priority: 'background' })
    const others = Array.from({ length: 10 }, (_, index) => wait(`other ${index}`))
    expect(places.get('background')).toBe(9)
    expect([places.get('other 7'), places.get('other 8'), places.get('other 9')]).toEqual([8, 10, 11])
    for (const next of [...others.slice(0, 8), background, ...others.slice(8)]) {
      end()
      end = await next
    }
    end()
  })

  it('tells places as they change, also when somebody more urgent comes or one leaves', async () => {
    const queue = createTurnQueue()
    const end = await queue.enter()
    const places: Record<string, number[]> = { slow: [], other: [], urgent: [] }
    const wait = (name: string, options: EnterOptions = {}) =>
      queue.enter({ ...options, onPosition: (place) => places[name]?.push(place) })
    const leaving = new AbortController()
    const slow = wait('slow', { priority: 'background' })
    const other = wait('other', { signal: leaving.signal }).catch((error: { code: string }) => error.code)
    const urgent = wait('urgent')
    leaving.abort()
    expect(await other).toBe('aborted')
    end()
    const endUrgent = await urgent
    endUrgent()
    ;(await slow)()
    expect(places).toEqual({ slow: [1, 2, 3, 2, 1], other: [1], urgent: [2, 1] })
  })
})

import { describe, expect, it } from 'vitest'
import { type AnswerState, type EngineSpeed, watchAnswer, watchLoad } from '../../../src/engines/answer-watch.js'
import type { Clock } from '../../../src/runtime/clock.js'
import { fakeClock } from '../../../src/testing/fake-clock.js'

const reading = (): AnswerState => ({
  request: { messages: [{ role: 'user', content: 'Hi' }] },
  isWaiting: true,
  isQueued: false,
  isReading: true,
  parts: 0,
})
const KNOWN: EngineSpeed = { usage: { promptTokens: 100, completionTokens: 1, prefillMs: 100 } }

function watched(state: AnswerState, speed: EngineSpeed = KNOWN) {
  const clock = fakeClock()
  let isSilent = false
  const onSilence = () => {
    isSilent = true
  }
  const stop = watchAnswer({ clock, state, silenceMs: 30_000, speed: () => speed, onSilence })
  return { clock, stop, isSilent: () => isSilent }
}

/** A clock of a page that sleeps, or whose timers are throttled: a timer that is long overdue runs once, when the page wakes. */
function sleepyClock(): Clock & { wake(): void } {
  const timers = new Set<() => void>()
  return {
    now: () => 0,
    wallTime: () => 0,
    setTimer(_ms, run) {
      timers.add(run)
      return () => void timers.delete(run)
    },
    wake() {
      const due = [...timers]
      timers.clear()
      for (const run of due) run()
    },
  } as Clock & { wake(): void }
}

describe('watchAnswer', () => {
  it('takes 30 seconds of silence for a hang where the speed is known, six times that where it is not', async () => {
    const known = watched(reading())
    await known.clock.advance(29_000)
    expect(known.isSilent()).toBe(false)
    await known.clock.advance(2_000)
    expect(known.isSilent()).toBe(true)
    const unknown = watched(reading(), {})
    await unknown.clock.advance(170_000)
    expect(unknown.isSilent()).toBe(false)
    await unknown.clock.advance(20_000)
    expect(unknown.isSilent()).toBe(true)
  })

  it('waits three times as long as a prompt is predicted to take', async () => {
    const long = { ...reading(), request: { messages: [{ role: 'user' as const, content: 'x'.repeat(60_000) }] } }
    // 20,000 tokens at one a millisecond.
    const { clock, isSilent } = watched(long)
    await clock.advance(59_000)
    expect(isSilent()).toBe(false)
    await clock.advance(10_000)
    expect(isSilent()).toBe(true)
  })

  it('once there is text, how fast prompts are read counts no more', async () => {
    const { clock, isSilent } = watched({ ...reading(), isReading: false }, {})
    await clock.advance(31_000)
    expect(isSilent()).toBe(true)
  })

  it('a part begins the silence anew; one that waits in the queue, or whose reader sleeps, is not silent', async () => {
    const state = reading()
    const { clock, isSilent } = watched(state)
    for (let part = 1; part < 10; part++) {
      await clock.advance(25_000)
      state.parts = part
    }
    expect(isSilent()).toBe(false)
    state.isQueued = true
    await clock.advance(600_000)
    state.isQueued = false
    state.isWaiting = false
    await clock.advance(600_000)
    expect(isSilent()).toBe(false)
    state.isWaiting = true
    await clock.advance(35_000)
    expect(isSilent()).toBe(true)
  })

  it('a night’s sleep, or throttled timers, count as one step', () => {
    const clock = sleepyClock()
    const state = reading()
    let isSilent = false
    const onSilence = () => {
      isSilent = true
    }
    watchAnswer({ clock, state, silenceMs: 30_000, speed: () => KNOWN, onSilence })
    for (let night = 0; night < 40; night++) {
      clock.wake()
      state.parts++
    }
    expect(isSilent).toBe(false)
    for (let step = 0; step < 7; step++) clock.wake()
    expect(isSilent).toBe(false)
    for (let step = 0; step < 2; step++) clock.wake()
    expect(isSilent).toBe(true)
  })

  it('a stopped watch is over', async () => {
    const { clock, stop, isSilent } = watched(reading())
    stop()
    await clock.advance(600_000)
    expect([isSilent(), clock.timers]).toEqual([false, 0])
  })
})

describe('watchLoad', () => {
  const load = (ask: () => Promise<unknown>, state = { parts: 0, isFetching: true }) => {
    const clock = fakeClock()
    let silences = 0
    const onSilence = () => {
      silences++
    }
    const stop = watchLoad({ clock, state, silenceMs: 30_000, ask, onSilence })
    return { clock, state, stop, silences: () => silences }
  }
  const never = () => new Promise<never>(() => {})

  it('a worker that reports nothing and does not answer hangs', async () => {
    const { clock, silences } = load(never)
    await clock.advance(29_000)
    expect(silences()).toBe(0)
    await clock.advance(600_000)
    expect(silences()).toBe(1)
    expect(clock.timers).toBe(0)
  })

  it('one that answers has a slow network, one that reports is at work, and one that starts its model may be blocked', async () => {
    const slow = load(async () => 'here')
    await slow.clock.advance(600_000)
    const working = load(never)
    for (let part = 1; part < 20; part++) {
      working.state.parts = part
      await working.clock.advance(20_000)
    }
    const starting = load(never, { parts: 1, isFetching: false })
    await starting.clock.advance(600_000)
    expect([slow, working, starting].map(({ silences }) => silences())).toEqual([0, 0, 0])
    for (const { stop } of [slow, working, starting]) stop()
  })

  it('a call that fails is no answer', async () => {
    const { clock, silences } = load(() => Promise.reject(new Error('gone')))
    await clock.advance(40_000)
    expect(silences()).toBe(1)
  })
})

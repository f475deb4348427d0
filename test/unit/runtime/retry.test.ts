import { describe, expect, test } from 'vitest'
import { createBackoff, isRetryableStatus, retryAfterMs } from '../../../src/runtime/retry.js'
import { fakeClock } from '../../../src/testing.js'

describe('backoff', () => {
  test('draws from a range that doubles up to its cap', () => {
    const options = { maxAttempts: 6, baseDelayMs: 100, maxDelayMs: 500, clock: fakeClock() }
    const highest = createBackoff({ ...options, random: () => 1 })
    expect([1, 2, 3, 4, 5, 6].map(() => highest.next())).toEqual([100, 200, 400, 500, 500, undefined])
    const lowest = createBackoff({ ...options, random: () => 0 })
    expect([1, 2, 3].map(() => lowest.next())).toEqual([0, 0, 0])
  })

  test('waits what was asked for, with the draw on top', () => {
    const backoff = createBackoff({ baseDelayMs: 100, random: () => 0.5, clock: fakeClock() })
    expect(backoff.next(3_000)).toBe(3_050)
  })

  test('ends with the number of tries, those elsewhere counted', () => {
    const backoff = createBackoff({ maxAttempts: 3, clock: fakeClock() })
    expect(backoff.attempts).toBe(1)
    expect(backoff.nextAtOnce()).toBe(true)
    expect(backoff.next()).toBeTypeOf('number')
    expect(backoff.attempts).toBe(3)
    expect(backoff.next()).toBeUndefined()
    expect(backoff.nextAtOnce()).toBe(false)
  })

  test('begins no wait that would end after the time allowed', async () => {
    const clock = fakeClock()
    const backoff = createBackoff({ maxAttempts: 9, baseDelayMs: 10, maxTotalMs: 1_000, random: () => 1, clock })
    expect(backoff.next(995)).toBeUndefined()
    expect(backoff.next()).toBe(10)
    await clock.advance(990)
    expect(backoff.next()).toBeUndefined()
    await clock.advance(20)
    expect(backoff.nextAtOnce()).toBe(false)
  })
})

test.each([
  [{ 'retry-after': '2' }, 2_000],
  [{ 'retry-after': '0.5' }, 500],
  [{ 'retry-after': 'Thu, 01 Jan 1970 00:00:05 GMT' }, 4_000],
  [{ 'retry-after': 'Thu, 01 Jan 1970 00:00:00 GMT' }, 0],
  [{ 'retry-after-ms': '70', 'retry-after': '9' }, 70],
  [{ 'retry-after': 'soon' }, undefined],
  [{ 'retry-after': '-4' }, undefined],
  [{}, undefined],
])('%j asks for %s ms', (headers, expected) => {
  expect(retryAfterMs(new Headers(headers as Record<string, string>), 1_000)).toBe(expected)
})

test('which statuses may pass', () => {
  const retryable = [200, 301, 400, 401, 404, 408, 409, 422, 429, 500, 503, 529].filter(isRetryableStatus)
  expect(retryable).toEqual([408, 409, 429, 500, 503, 529])
})

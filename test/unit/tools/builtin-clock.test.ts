import { describe, expect, it } from 'vitest'
import { clockTool } from '../../../src/tools/builtin/clock.js'
import { tellTime } from '../../../src/tools/builtin/tell-time.js'

const NOW = Date.UTC(2026, 10, 22, 20, 30, 15)
const ask = (question: { date?: string; add?: string; until?: string; timeZone?: string }) =>
  tellTime({ now: NOW, date: undefined, add: undefined, until: undefined, timeZone: 'Europe/Berlin', ...question })

describe('tellTime', () => {
  it('tells now, in a zone', () => {
    expect(ask({})).toEqual({
      date: '2026-11-22',
      time: '21:30:15',
      weekday: 'Sunday',
      timeZone: 'Europe/Berlin',
      utcOffset: '+01:00',
      isoWeek: '2026-W47',
    })
    expect(ask({ timeZone: 'Asia/Tokyo' })).toMatchObject({ date: '2026-11-23', time: '05:30:15', utcOffset: '+09:00' })
    expect(ask({ timeZone: 'America/St_Johns' })).toMatchObject({ time: '17:00:15', utcOffset: '-03:30' })
    expect(ask({ timeZone: 'UTC' })).toMatchObject({ time: '20:30:15', utcOffset: '+00:00' })
  })

  it.each([
    ['2024-02-29', 'Thursday', '2024-W09'],
    ['1969-07-20', 'Sunday', '1969-W29'],
    ['2027-01-01', 'Friday', '2026-W53'],
    ['2024-12-30', 'Monday', '2025-W01'],
    ['0044-03-15', 'Tuesday', '0044-W11'],
    ['today', 'Sunday', '2026-W47'],
    ['tomorrow', 'Monday', '2026-W48'],
    ['Yesterday', 'Saturday', '2026-W47'],
  ])('%s is a %s', (date, weekday, isoWeek) => {
    const answer = ask({ date, timeZone: 'UTC' })
    expect(answer.weekday).toBe(weekday)
    expect(answer.isoWeek.padStart(8, '0')).toBe(isoWeek)
  })

  it.each([
    ['2026-01-31', '1 month', '2026-02-28', '00:00:00'],
    ['2024-02-29', '1 year', '2025-02-28', '00:00:00'],
    ['2026-03-31', '-1 months', '2026-02-28', '00:00:00'],
    ['2026-12-31', '1 day', '2027-01-01', '00:00:00'],
    ['2026-11-22', '-1 week 2 days', '2026-11-13', '00:00:00'],
    ['2026-11-22T10:00', '1 hour 30 minutes', '2026-11-22', '11:30:00'],
    ['2026-11-22', '2 weeks and 1 day', '2026-12-07', '00:00:00'],
    // Clocks go forward in the night of 29 March: the day has 23 hours.
    ['2026-03-28T12:00', '1 day', '2026-03-29', '12:00:00'],
    ['2026-03-28T12:00', '24 hours', '2026-03-29', '13:00:00'],
    ['2026-03-29T02:30', '0 hours', '2026-03-29', '03:30:00'],
    ['2026-10-25T00:30', '3 hours', '2026-10-25', '02:30:00'],
  ])('%s and %s is %s', (date, add, expected, time) => {
    expect(ask({ date, add })).toMatchObject({ date: expected, time })
  })

  it('tells how long it is until a date', () => {
    expect(ask({ until: '2026-12-24' }).until).toEqual({
      date: '2026-12-24',
      days: 32,
      text: '31 days 2 hours 29 minutes',
    })
    expect(ask({ date: '2026-11-22', until: '2026-11-15' }).until).toMatchObject({ days: -7, text: '7 days ago' })
    expect(ask({ until: 'now' }).until).toMatchObject({ days: 0, text: 'less than a minute' })
    expect(ask({ date: '2026-01-01T00:00Z', until: '2026-01-01T05:30+05:30' }).until?.text).toBe('less than a minute')
  })

  it.each([
    [{ date: '2026-02-30' }, /no such date/],
    [{ date: '2026-13-01' }, /no such date/],
    [{ date: '0000-01-01' }, /no such date/],
    [{ date: '2026-01-01T25:00' }, /no such date or time/],
    [{ date: 'next tuesday' }, /Expected a date such as/],
    [{ add: 'a while' }, /Expected something like 3 days/],
    [{ add: '3 days of rest' }, /Expected something like 3 days/],
    [{ add: '9999999 years' }, /years 1 to 9999/],
    [{ add: '9999999 days' }, /years 1 to 9999/],
    [{ timeZone: 'Mars/Olympus' }, /no time zone 'Mars\/Olympus'/],
  ])('%j is refused', (question, reason) => {
    expect(() => ask(question)).toThrow(reason)
    expect(() => ask(question)).toThrow(expect.objectContaining({ code: 'invalid-argument' }))
  })
})

it('the tool asks its own clock and takes empty fields for left out', async () => {
  const clock = clockTool({ now: () => NOW, timeZone: 'UTC' })
  const context = { signal: new AbortController().signal, callId: '1', report: () => {} }
  expect(await clock.execute({ date: '', add: ' ' }, context)).toMatchObject({ date: '2026-11-22', time: '20:30:15' })
})

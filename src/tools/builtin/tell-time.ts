import { AlcoveError } from '../../protocol/error.js'

const MINUTE = 60_000
const DAY = 86_400_000
/** Years that are told of. */
const MIN_YEAR = 1
const MAX_YEAR = 9999

/** Date and time on the wall somewhere; `month` from 1. */
interface WallTime {
  readonly year: number
  readonly month: number
  readonly day: number
  readonly hour: number
  readonly minute: number
  readonly second: number
}

export interface TimeQuestion {
  /** Milliseconds since the epoch. */
  readonly now: number
  readonly date: string | undefined
  readonly add: string | undefined
  readonly until: string | undefined
  readonly timeZone: string
}

/** A moment as a wall clock and calendar show it. */
export interface TimeAnswer {
  /** `YYYY-MM-DD` */
  readonly date: string
  /** `HH:MM:SS` */
  readonly time: string
  readonly weekday: string
  readonly timeZone: string
  /** `+01:00` */
  readonly utcOffset: string
  /** Week of ISO 8601, `2026-W47`. */
  readonly isoWeek: string
  readonly until?: { readonly date: string; readonly days: number; readonly text: string }
}

/**
 * What clock and calendar say. Days, weeks, months and years are counted on the wall, hours and less in real time.
 *
 * @throws AlcoveError `invalid-argument` for a date, a duration or a zone that cannot be read
 */
export function tellTime(question: TimeQuestion): TimeAnswer {
  const { now, date, add, until, timeZone } = question
  checkZone(timeZone)
  const start = readMoment(date ?? 'now', now, timeZone)
  const moment = add === undefined ? start : addDuration(start, add, timeZone)
  const wall = wallTime(moment, timeZone)
  const answer = {
    date: isoDate(wall),
    time: [wall.hour, wall.minute, wall.second].map(twoDigits).join(':'),
    weekday: weekdayOf(wall),
    timeZone,
    utcOffset: offsetText(utcOffset(moment, timeZone)),
    isoWeek: isoWeek(wall),
  }
  if (until === undefined) return answer
  const end = readMoment(until, now, timeZone)
  return { ...answer, until: difference(moment, end, timeZone) }
}

const wrong = (reason: string): AlcoveError => new AlcoveError('invalid-argument', reason)

const twoDigits = (value: number): string => String(value).padStart(2, '0')

const isoDate = ({ year, month, day }: WallTime): string =>
  `${String(year).padStart(4, '0')}-${twoDigits(month)}-${twoDigits(day)}`

/** The wall's time as if it were UTC, for arithmetic on the calendar. */
function asUtc({ year, month, day, hour, minute, second }: WallTime): number {
  const date = new Date(0)
  date.setUTCFullYear(year, month - 1, day)
  date.setUTCHours(hour, minute, second)
  return date.getTime()
}

function fromUtc(time: number): WallTime {
  const date = new Date(time)
  return {
    year: date.getUTCFullYear(),
    month: date.getUTCMonth() + 1,
    day: date.getUTCDate(),
    hour: date.getUTCHours(),
    minute: date.getUTCMinutes(),
    second: date.getUTCSeconds(),
  }
}

const weekdayOf = (wall: WallTime): string =>
  new Intl.DateTimeFormat('en', { weekday: 'long', timeZone: 'UTC' }).format(asUtc(wall))

function checkZone(timeZone: string): void {
  try {
    new Intl.DateTimeFormat('en', { timeZone })
  } catch {
    throw wrong(`There is no time zone '${timeZone}': expected a name such as Europe/Berlin or UTC`)
  }
}

/** What a zone's clock is ahead of UTC at a moment, in milliseconds. */
function utcOffset(moment: number, timeZone: string): number {
  const format = new Intl.DateTimeFormat('en-u-ca-gregory-nu-latn', {
    timeZone,
    hourCycle: 'h23',
    era: 'short',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  })
  const parts = new Map(format.formatToParts(moment).map(({ type, value }) => [type, value]))
  const read = (type: Intl.DateTimeFormatPartTypes) => Number(parts.get(type))
  const year = parts.get('era')?.startsWith('B') ? 1 - read('year') : read('year')
  const [month, day, hour, minute, second] = [read('month'), read('day'), read('hour'), read('minute'), read('second')]
  const shown = asUtc({ year, month, day, hour, minute, second })
  return shown - Math.floor(moment / 1000) * 1000
}

function wallTime(moment: number, timeZone: string): WallTime {
  return fromUtc(moment + utcOffset(moment, timeZone))
}

/** The moment at which a zone's wall shows a time: the earlier of two, and past the gap where clocks go forward. */
function momentOf(wall: WallTime, timeZone: string): number {
  const asIf = asUtc(wall)
  const offsets = [utcOffset(asIf - DAY, timeZone), utcOffset(asIf + DAY, timeZone)]
  const moments = offsets.map((offset) => asIf - offset)
  const found = moments.filter((moment) => moment + utcOffset(moment, timeZone) === asIf)
  return found.length > 0 ? Math.min(...found) : Math.max(...moments)
}

function offsetText(offset: number): string {
  const minutes = Math.round(Math.abs(offset) / MINUTE)
  return `${offset < 0 ? '-' : '+'}${twoDigits(Math.floor(minutes / 60))}:${twoDigits(minutes % 60)}`
}

const DATE_PATTERN =
  /^(\d{4})-(\d{1,2})-(\d{1,2})(?:[T ](\d{1,2}):(\d{2})(?::(\d{2})(?:\.\d+)?)?\s*(Z|[+-]\d{2}:?\d{2})?)?$/i
const DAY_WORDS: Readonly<Record<string, number>> = { today: 0, tomorrow: 1, yesterday: -1 }

function readMoment(text: string, now: number, timeZone: string): number {
  const word = text.toLowerCase()
  if (word === 'now') return now
  const days = DAY_WORDS[word]
  if (days !== undefined) {
    const { year, month, day } = wallTime(now, timeZone)
    return momentOf(fromUtc(asUtc({ year, month, day: day + days, hour: 0, minute: 0, second: 0 })), timeZone)
  }
  const found = DATE_PATTERN.exec(text)
  if (found === null) {
    throw wrong(`Expected a date such as 2026-12-24, 2026-12-24T18:00, today or tomorrow, got '${text}'`)
  }
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = found
    .slice(1, 7)
    .map((part) => Number(part ?? 0))
  const wall = { year, month, day, hour, minute, second }
  const isReal = isoDate(fromUtc(asUtc(wall))) === isoDate(wall) && hour < 24 && minute < 60 && second < 60
  if (!isReal || year < MIN_YEAR) throw wrong(`There is no such date or time: '${text}'`)
  const offset = found[7]
  if (offset === undefined) return momentOf(wall, timeZone)
  return asUtc(wall) - readOffset(offset)
}

function readOffset(text: string): number {
  if (/^z$/i.test(text)) return 0
  const [, sign, hours = '0', minutes = '0'] = /^([+-])(\d{2}):?(\d{2})$/.exec(text) ?? []
  return (sign === '-' ? -1 : 1) * (Number(hours) * 60 + Number(minutes)) * MINUTE
}

/** Milliseconds of units that are counted in real time. */
const REAL_UNITS: Readonly<Record<string, number>> = { second: 1000, minute: MINUTE, hour: 60 * MINUTE }
/** Months, or days, of units that are counted on the calendar. */
const MONTH_UNITS: Readonly<Record<string, number>> = { month: 1, year: 12 }
const DAY_UNITS: Readonly<Record<string, number>> = { day: 1, week: 7 }

function addDuration(moment: number, text: string, timeZone: string): number {
  const pattern = /\s*(?:,|and\b)?\s*([+-]?)\s*(\d{1,7})\s*(second|minute|hour|day|week|month|year)s?\b/iy
  const sums = { months: 0, days: 0, milliseconds: 0 }
  let sign = 1
  do {
    const [all, written, count = '0', name = ''] = pattern.exec(text) ?? []
    if (all === undefined) throw wrong(`Expected something like 3 days, -2 months or 1 hour 30 minutes, got '${text}'`)
    // A sign holds until the next one: -1 week 2 days is nine days back.
    if (written) sign = written === '-' ? -1 : 1
    const unit = name.toLowerCase()
    sums.months += sign * Number(count) * (MONTH_UNITS[unit] ?? 0)
    sums.days += sign * Number(count) * (DAY_UNITS[unit] ?? 0)
    sums.milliseconds += sign * Number(count) * (REAL_UNITS[unit] ?? 0)
  } while (text.slice(pattern.lastIndex).trim() !== '')
  const isOnCalendar = sums.months !== 0 || sums.days !== 0
  const moved = isOnCalendar ? momentOf(moveWall(wallTime(moment, timeZone), sums), timeZone) : moment
  const made = moved + sums.milliseconds
  const { year } = fromUtc(made)
  if (!(year >= MIN_YEAR && year <= MAX_YEAR)) {
    throw wrong(
      `Expected a date of the years ${MIN_YEAR} to ${MAX_YEAR}, got one outside of them after adding '${text}'`,
    )
  }
  return made
}

/** A month's 31st becomes the last day of a month that has none. */
function moveWall(wall: WallTime, { months, days }: { readonly months: number; readonly days: number }): WallTime {
  const count = wall.year * 12 + wall.month - 1 + months
  const year = Math.floor(count / 12)
  if (!(year >= MIN_YEAR && year <= MAX_YEAR)) throw wrong(`Expected a date of the years ${MIN_YEAR} to ${MAX_YEAR}`)
  const month = count - year * 12 + 1
  const lastDay = new Date(asUtc({ year, month: month + 1, day: 0, hour: 0, minute: 0, second: 0 })).getUTCDate()
  return fromUtc(asUtc({ ...wall, year, month, day: Math.min(wall.day, lastDay) + days }))
}

function difference(from: number, to: number, timeZone: string): NonNullable<TimeAnswer['until']> {
  const [start, end] = [wallTime(from, timeZone), wallTime(to, timeZone)]
  const midnight = (wall: WallTime) => asUtc({ ...wall, hour: 0, minute: 0, second: 0 })
  const minutes = Math.floor(Math.abs(to - from) / MINUTE)
  const [days, hours, rest] = [Math.floor(minutes / 1440), Math.floor(minutes / 60) % 24, minutes % 60]
  const named = [
    [days, 'day'],
    [hours, 'hour'],
    [rest, 'minute'],
  ] as const
  const said = named.filter(([count]) => count > 0).map(([count, unit]) => `${count} ${unit}${count === 1 ? '' : 's'}`)
  const text = said.length === 0 ? 'less than a minute' : said.join(' ')
  return {
    date: isoDate(end),
    // Days on the calendar: tomorrow is one, however late it is today.
    days: Math.round((midnight(end) - midnight(start)) / DAY),
    text: to < from ? `${text} ago` : text,
  }
}

/** Week of ISO 8601: the week that has a year's first Thursday is its first. */
function isoWeek(wall: WallTime): string {
  const day = asUtc({ ...wall, hour: 0, minute: 0, second: 0 })
  const weekday = (new Date(day).getUTCDay() + 6) % 7
  const thursday = new Date(day + (3 - weekday) * DAY)
  const year = thursday.getUTCFullYear()
  const first = asUtc({ year, month: 1, day: 1, hour: 0, minute: 0, second: 0 })
  return `${year}-W${twoDigits(Math.floor((thursday.getTime() - first) / DAY / 7) + 1)}`
}

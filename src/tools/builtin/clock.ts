import { type Tool, tool } from '../tool.js'

export interface ClockToolOptions {
  /** @default 'clock' */
  readonly name?: string | undefined
  /** Milliseconds since the epoch. @default Date.now */
  readonly now?: (() => number) | undefined
  /** IANA name of the zone that is meant where the model names none. @default the device's own */
  readonly timeZone?: string | undefined
}

/**
 * A tool for what small models guess wrongly: now, the weekday of a date, what date it is in so many days, how long it is until a date, and the
 * time elsewhere. Gives `{ date, time, weekday, timeZone, utcOffset, isoWeek, until? }`.
 */
export function clockTool(options: ClockToolOptions = {}): Tool {
  const { name = 'clock', now = Date.now, timeZone } = options
  const text = (description: string) => ({ type: 'string', maxLength: 60, description })
  return tool({
    name,
    description:
      'Tells date, time and weekday: now, or of a date; adds days or months to it; tells how long it is until another date; in any time zone.',
    input: {
      type: 'object',
      properties: {
        date: text('A date such as 2026-12-24 or 2026-12-24T18:00, or now. Left out: now'),
        add: text('What to add, for example: 3 days, -2 months, 1 week 2 days'),
        until: text('Another date: tells how long it is from date until then'),
        timeZone: text('For example: Europe/Berlin, Asia/Tokyo, UTC'),
      },
      additionalProperties: false,
    },
    async execute(input) {
      const { tellTime } = await import('./tell-time.js')
      const given = (value: unknown) => (typeof value === 'string' && value.trim() !== '' ? value.trim() : undefined)
      return tellTime({
        now: now(),
        date: given(input.date),
        add: given(input.add),
        until: given(input.until),
        timeZone: given(input.timeZone) ?? timeZone ?? new Intl.DateTimeFormat().resolvedOptions().timeZone,
      })
    },
  })
}

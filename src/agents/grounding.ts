import type { Span } from '../protocol/corpus.js'
import type { GroundingClaim } from '../protocol/stream-part.js'
import { type DateReading, findDates, includesDate } from '../text/dates.js'
import { findNumbers, type NumberInText, ordinalValues } from '../text/numbers.js'
import { findQuote } from '../text/quote-check.js'
import { splitSentences } from '../text/sentences.js'
import { indexNames, type NameIndex } from './name-index.js'

const QUOTATION = /["“”«「『]([^"“”«»「」『』\n]{2,300})["“”»」』]/gu
/** Initials and titles have full stops; other names have none. */
const NAME_WORD = "(?:(?:\\p{Lu}\\.)+|(?:Dr|Mr|Mrs|Ms|St|Prof|Jr|Sr)\\.|\\p{Lu}[\\p{L}\\p{M}\\p{N}'’-]*)"
const NAME = new RegExp(
  `(?<![\\p{L}\\p{N}])${NAME_WORD}(?:(?: (?:of|the|de|van|von|der|la|le|du|and))? ${NAME_WORD})*`,
  'gu',
)
/** Words that begin a sentence with a capital without being a name. */
const COMMON = new Set(
  (
    'a about according after all also although an and another answer any are as at based be because before both but by can could did do does ' +
    'being add ask avoid call check choose click contact create do enter find follow get give go keep make note open please press put read report run see select send set start stop take try turn use using wait write including besides finally second third last next today tomorrow overall sorry sure ok okay thanks hello hi dear people everyone everything nothing someone something users employees visitors customers section chapter page table figure part answer question ' +
    'documents during each every first for from given had has have he her here his how however i if in information into is it its just ' +
    'last let like many may more most much my next no none not nothing note now of on once one only or other our out over passage passages ' +
    'per please question second she since so some source sources still such text than thank that the their them then there therefore these ' +
    'they this those though through thus to under unfortunately until up was we were what when where whether which while who why will with ' +
    'within without would yes yet you your'
  ).split(' '),
)

/**
 * Looks up what can be checked word by word in an answer: numbers, dates, quotations and capitalised names.
 *
 * @param evidence the texts that the model was given
 * @param offset where `answer` begins in the run's text
 * @returns claims in the order of the answer, none inside another
 */
export function findClaims(answer: string, evidence: readonly string[], offset = 0): GroundingClaim[] {
  const source = evidence.join('\n\n')
  const index = indexEvidence(source)
  const taken: Span[] = []
  const claims: GroundingClaim[] = []
  const text = blankMarkers(answer)
  const add = (kind: GroundingClaim['kind'], start: number, value: string, supported: boolean) => {
    const end = start + value.length
    if (value === '' || taken.some(([from, to]) => start < to && from < end)) return
    taken.push([start, end])
    claims.push({ answerSpan: [offset + start, offset + end], kind, supported })
  }
  for (const match of text.matchAll(QUOTATION)) {
    const quoted = match[1] ?? ''
    if (quoted.trim() !== '') add('quotation', match.index, match[0], hasQuote(quoted, source))
  }
  for (const { start, end, readings } of findDates(text)) {
    add('date', start, text.slice(start, end), index.hasDate(readings))
  }
  for (const number of findNumbers(text)) {
    if (isCounted(text, number)) add('number', number.start, numberText(text, number), index.hasNumber(number))
  }
  for (const { start, value } of findNames(text, index)) add('name', start, value, index.hasName(value))
  return claims.sort((first, second) => first.answerSpan[0] - second.answerSpan[0])
}

function blankMarkers(answer: string): string {
  return answer.replaceAll(/\[\d{1,3}(?:\s*[,，、]\s*\d{1,3})*\]/g, (marker) => ' '.repeat(marker.length))
}

function isListNumber(text: string, at: number): boolean {
  return (at === 0 || text[at - 1] === '\n') && /^\d{1,2}[.)]\s/.test(text.slice(at, at + 4))
}

/** Whether a number is something to look up: not that of a list item, not the `one` of `one of them`, not a single Chinese character. */
function isCounted(text: string, { start, end, values, form }: NumberInText): boolean {
  if (form === 'digits') return !isListNumber(text, start)
  if (form === 'words') return values.some((value) => Number(value) >= 2)
  return end - start > 1
}

function numberText(text: string, { start, end }: NumberInText): string {
  return text[end] === '%' ? text.slice(start, end + 1) : text.slice(start, end)
}

/** Whether all pieces of a quotation, which may leave something out (`…`), are there in its order. */
function hasQuote(quoted: string, source: string): boolean {
  const pieces = quoted.split(/\[?(?:…|\.\.\.)\]?/u).map((piece) => piece.trim().replace(/[.,;:!?。，；：！？]+$/u, ''))
  const all = pieces.filter((piece) => /[\p{L}\p{N}]/u.test(piece))
  const standsIn = (text: string, fold: (piece: string) => string): boolean => {
    let from = 0
    return all.every((piece) => {
      const span = findQuote(fold(piece), text.slice(from))
      from += span?.[1] ?? 0
      return span !== undefined
    })
  }
  return standsIn(source, (piece) => piece) || standsIn(source.toLowerCase(), (piece) => piece.toLowerCase())
}

/** What the passages have, as claims are looked up in it. */
interface EvidenceIndex extends NameIndex {
  hasNumber(claim: NumberInText): boolean
  hasDate(readings: readonly DateReading[]): boolean
}

function indexEvidence(source: string): EvidenceIndex {
  /** The units that each value stands with; `undefined` for none. */
  const numbers = new Map<string, Set<string | undefined>>()
  const addNumber = (value: string, unit: string | undefined) => {
    numbers.set(value, (numbers.get(value) ?? new Set()).add(unit))
  }
  for (const { values, unit } of findNumbers(source)) for (const value of values) addNumber(value, unit)
  for (const value of ordinalValues(source)) addNumber(value, undefined)
  // Parts of what is written together: the year of a date, the numbers of `9:30` and `1874-1880`.
  for (const [digits] of source.matchAll(/\d+/gu)) {
    if (!numbers.has(String(Number(digits)))) addNumber(String(Number(digits)), undefined)
  }
  const dates = findDates(source).flatMap(({ readings }) => readings)
  for (const { year } of dates) if (year !== undefined) addNumber(String(year), undefined)
  return {
    ...indexNames(source),
    // The same number of something else is not there: 5 kg for 5 km.
    hasNumber: ({ values, unit }) =>
      values.some((value) => {
        const units = numbers.get(value)
        return units !== undefined && (unit === undefined || units.has(unit) || units.has(undefined))
      }),
    hasDate: (readings) =>
      readings.some(
        (wanted) =>
          dates.some((known) => includesDate(known, wanted)) ||
          (wanted.month === undefined && wanted.year !== undefined && numbers.has(String(wanted.year))),
      ),
  }
}

/** Capitalised words and groups of them. The first word of a sentence counts only when it is no common word. */
function findNames(text: string, index: EvidenceIndex): { readonly start: number; readonly value: string }[] {
  const names: { readonly start: number; readonly value: string }[] = []
  const starts = new Set(
    splitSentences(text).map(([start, end]) => start + (text.slice(start, end).search(/[\p{L}\p{N}]/u) || 0)),
  )
  for (const match of text.matchAll(NAME)) {
    let start = match.index
    let value = match[0].replace(/[.'’-]+$/u, '')
    for (;;) {
      const first = /^\S+/.exec(value)?.[0] ?? ''
      if (!COMMON.has(first.toLowerCase()) || first === '') break
      const rest = value.slice(first.length).trimStart()
      start += value.length - rest.length
      value = rest
    }
    // `Ada Berg and Tom Cole` are two, unless they stand there as one.
    for (const part of index.hasName(value) ? [value] : splitPeople(value)) {
      pushName(part, start + value.indexOf(part))
    }
  }
  return names

  function pushName(value: string, start: number): void {
    const isOneWord = !value.includes(' ')
    if (value.length < 2 || (isOneWord && starts.has(start) && (index.hasOrdinary(value) || isOrdinary(value, text))))
      return
    if (/^\p{Lu}/u.test(value)) names.push({ start, value })
  }
}

function splitPeople(value: string): string[] {
  return value.split(/ and /u).filter((part) => part !== '')
}

/** A word at the start of a sentence that stands elsewhere in small letters, or has an ending that names rarely have. */
function isOrdinary(word: string, text: string): boolean {
  if (/(?:ly|tions?|ments?|ness|able|ous|ful)$/.test(word)) return true
  return new RegExp(`(?<![\\p{L}])${word.toLowerCase().replaceAll(/[^\p{L}\p{N}]/gu, '.')}(?![\\p{L}])`, 'u').test(text)
}

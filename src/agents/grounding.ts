import type { Span } from '../protocol/corpus.js'
import type { GroundingClaim } from '../protocol/stream-part.js'
import { findQuote } from '../text/quote-check.js'
import { splitSentences } from '../text/sentences.js'
import { stem } from '../text/terms.js'

const MONTHS = 'january february march april may june july august september october november december'.split(' ')
const MONTH = `(?:${MONTHS.join('|')}|jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec)`
const DATES = [
  new RegExp(`\\b${MONTH}\\.? \\d{1,2}(?:st|nd|rd|th)?(?:,? \\d{4})?\\b`, 'giu'),
  new RegExp(`\\b\\d{1,2}(?:st|nd|rd|th)? (?:of )?${MONTH}\\.?(?:,? \\d{4})?\\b`, 'giu'),
  new RegExp(`\\b${MONTH}\\.? \\d{4}\\b`, 'giu'),
  /\b\d{4}-\d{2}-\d{2}\b|\b\d{1,2}[/.]\d{1,2}[/.]\d{2,4}\b/gu,
  /\d{1,4}年(?:\d{1,2}月(?:\d{1,2}[日号])?)?|\d{1,2}月\d{1,2}[日号]/gu,
]
const NUMBER_WORDS =
  'zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen twenty'.split(
    ' ',
  )
const TENS: Readonly<Record<string, number>> = {
  thirty: 30,
  forty: 40,
  fifty: 50,
  sixty: 60,
  seventy: 70,
  eighty: 80,
  ninety: 90,
}
const NUMBER = /(?<![\p{Script=Latin}\p{N}_.])[+−-]?\d+(?:[.,\u00a0\u202f]\d+)*%?/gu
const WORD_NUMBER = new RegExp(`\\b(?:${[...NUMBER_WORDS.slice(2), ...Object.keys(TENS)].join('|')})\\b`, 'giu')
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
  for (const pattern of DATES) {
    for (const match of text.matchAll(pattern)) add('date', match.index, match[0], index.hasDate(match[0]))
  }
  for (const match of text.matchAll(NUMBER)) {
    if (!isListNumber(text, match.index)) add('number', match.index, match[0], index.hasNumber(match[0]))
  }
  for (const match of text.matchAll(WORD_NUMBER)) add('number', match.index, match[0], index.hasNumber(match[0]))
  for (const { start, value } of findNames(text, index)) add('name', start, value, index.hasName(value))
  return claims.sort((first, second) => first.answerSpan[0] - second.answerSpan[0])
}

function blankMarkers(answer: string): string {
  return answer.replaceAll(/\[\d{1,3}(?:\s*[,，、]\s*\d{1,3})*\]/g, (marker) => ' '.repeat(marker.length))
}

function isListNumber(text: string, at: number): boolean {
  return (at === 0 || text[at - 1] === '\n') && /^\d{1,2}[.)]\s/.test(text.slice(at, at + 4))
}

function hasQuote(quoted: string, source: string): boolean {
  const bare = quoted.trim().replace(/[.,;:!?。，；：！？…]+$/u, '')
  return findQuote(bare, source) !== undefined || findQuote(bare.toLowerCase(), source.toLowerCase()) !== undefined
}

interface EvidenceIndex {
  hasNumber(text: string): boolean
  hasDate(text: string): boolean
  hasName(text: string): boolean
  /** Whether some form of a word is there in small letters. */
  hasOrdinary(word: string): boolean
}

function indexEvidence(source: string): EvidenceIndex {
  const numbers = new Set<string>()
  for (const [match] of source.matchAll(/\d[\d,.\u00a0\u202f]*/gu)) numbers.add(plainNumber(match))
  for (const [match] of source.matchAll(WORD_NUMBER)) numbers.add(plainNumber(match))
  const words = new Set(wordsOf(source))
  const dates = new Set(DATES.flatMap((pattern) => [...source.matchAll(pattern)].map(([match]) => plainDate(match))))
  const hasNumber = (text: string) => numbers.has(plainNumber(text))
  const ordinary = new Set((source.match(/(?<!\p{L})\p{Ll}[\p{L}’']*/gu) ?? []).map((word) => stem(word)))
  const folded = ` ${wordsOf(source).join(' ')} `
  return {
    hasNumber,
    hasOrdinary: (word) => ordinary.has(stem(word.toLowerCase())),
    hasDate(text) {
      const date = plainDate(text)
      if ([...dates].some((known) => known === date || ` ${known} `.includes(` ${date} `))) return true
      // Written another way round: every part of it must be there, the month as a word.
      const pieces = text.match(/\p{L}{3,}|\d+/gu) ?? []
      return (
        dates.size > 0 &&
        [...dates].some((known) => pieces.every((piece) => known.split(' ').includes(plainPiece(piece))))
      )
    },
    // A name that stands there as a whole, or whose every word does: `Ada Lovelace` for `Lovelace, Ada`.
    hasName(text) {
      const parts = wordsOf(text).filter((part) => !COMMON.has(part))
      return (
        folded.includes(` ${wordsOf(text).join(' ')} `) ||
        parts.every((part) => words.has(part) || hasInitials(part, source))
      )
    },
  }
}

function hasInitials(word: string, source: string): boolean {
  return /^(?:\p{L}\.)+\p{L}?$/u.test(word) && source.toLowerCase().includes(word)
}

function plainNumber(text: string): string {
  const lower = text.toLowerCase()
  const word = NUMBER_WORDS.indexOf(lower)
  if (word >= 0) return String(word)
  if (lower in TENS) return String(TENS[lower])
  const digits = text.replaceAll(/[^\d.,]/gu, '').replace(/[.,]+$/, '')
  // A separator before exactly three digits groups them; another one is the decimal point.
  const plain = digits.replaceAll(/[.,](?=\d{3}(?:\D|$))/g, '').replace(',', '.')
  return plain.includes('.') ? plain.replace(/\.?0+$/, '') : plain.replace(/^0+(?=\d)/, '')
}

function plainPiece(piece: string): string {
  const month = MONTHS.find((name) => name.startsWith(piece.toLowerCase().slice(0, 3)))
  return /^\d+$/.test(piece) ? String(Number(piece)) : (month ?? piece.toLowerCase())
}

function plainDate(text: string): string {
  const iso = /^(\d{4})-(\d{2})-(\d{2})$/.exec(text)
  if (iso) return `${Number(iso[3])} ${MONTHS[Number(iso[2]) - 1] ?? iso[2]} ${iso[1]}`
  const pieces = (text.match(/\p{L}+|\d+/gu) ?? [])
    .filter((piece) => !/^(?:st|nd|rd|th|of)$/i.test(piece))
    .map(plainPiece)
  // Day before month, so that both orders compare.
  if (MONTHS.includes(pieces[0] ?? '') && /^\d{1,2}$/.test(pieces[1] ?? ''))
    pieces.splice(0, 2, pieces[1] ?? '', pieces[0] ?? '')
  return pieces.join(' ')
}

function wordsOf(text: string): string[] {
  const words =
    text
      .normalize('NFKD')
      .replaceAll(/\p{M}/gu, '')
      .toLowerCase()
      .match(/[\p{L}\p{N}]+(?:[.'’&][\p{L}\p{N}]+)*/gu) ?? []
  return words.map((word) => word.replace(/['’]s$/, ''))
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
    const isOneWord = !value.includes(' ')
    if (value.length < 2 || (isOneWord && starts.has(start) && (index.hasOrdinary(value) || isOrdinary(value, text))))
      continue
    if (!/^\p{Lu}/u.test(value)) continue
    names.push({ start, value })
  }
  return names
}

/** A word at the start of a sentence that stands elsewhere in small letters, or has an ending that names rarely have. */
function isOrdinary(word: string, text: string): boolean {
  if (/(?:ly|tions?|ments?|ness|able|ous|ful)$/.test(word)) return true
  return new RegExp(`(?<![\\p{L}])${word.toLowerCase().replaceAll(/[^\p{L}\p{N}]/gu, '.')}(?![\\p{L}])`, 'u').test(text)
}

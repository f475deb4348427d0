import type { Citation, GroundingClaim } from 'alcove'
import type { Segment } from './turn.js'

/** Private-use characters that carry a mark through Markdown as text. A model's own are taken out first, so none can be forged. */
const CITE_OPEN = '\uE000'
const CITE_CLOSE = '\uE001'
const DOUBT_OPEN = '\uE002'
const DOUBT_CLOSE = '\uE003'
const MARKS = /[\uE000-\uE003]/g
const PIECES = /(\uE000\d+\uE001|\uE002|\uE003)/
/** How a model itself names passages: `[2]`, `[1, 3]`. */
const NUMBERS = /\s?\[(\d{1,3}(?:\s*[,，、]\s*\d{1,3})*)\]/g

interface Edit {
  readonly at: number
  /** How many letters give way to the mark. */
  readonly length: number
  readonly mark: string
}

const citeMark = (places: readonly number[]): string => places.map((place) => CITE_OPEN + place + CITE_CLOSE).join('')

/** Where a mark can stand: behind the last letter of what it is about, never in white space or on the line of a code fence. */
function placeOf(text: string, at: number): number | undefined {
  let place = Math.min(at, text.length)
  while (place > 0 && /\s/.test(text[place - 1] ?? '')) place--
  const line = text.slice(text.lastIndexOf('\n', place - 1) + 1, place)
  return place === 0 || /^\s*(```|~~~)/.test(line) ? undefined : place
}

/** The numbers that the model wrote give way to marks. Gives the edits, and which citations have their mark by that. */
function replaceNumbers(text: string, start: number, citations: readonly Citation[]): [Edit[], Set<number>] {
  const edits: Edit[] = []
  const placed = new Set<number>()
  for (const match of text.matchAll(NUMBERS)) {
    const at = match.index
    const places = (match[1] ?? '').split(/[,，、]/).flatMap((number) => {
      const index = Number(number)
      const within = (one: Citation): boolean =>
        one.answerSpan !== undefined && start + at >= one.answerSpan[0] && start + at <= one.answerSpan[1]
      const exact = citations.findIndex((one) => one.index === index && within(one))
      return exact !== -1
        ? [exact]
        : citations.flatMap((one, place) => (one.index === index ? [place] : [])).slice(0, 1)
    })
    if (places.length === 0) continue
    for (const place of places) placed.add(place)
    edits.push({ at, length: match[0].length, mark: citeMark(places) })
  }
  return [edits, placed]
}

/**
 * The Markdown of a segment with marks for its citations, by their place in the list, and for claims that no document supports.
 * Spans count from the start of the run's text.
 */
export function annotate(segment: Segment, citations: readonly Citation[], claims: readonly GroundingClaim[]): string {
  const text = segment.text.replace(MARKS, ' ')
  const within = (position: number): number | undefined => {
    const at = position - segment.start
    return at >= 0 && at <= text.length ? at : undefined
  }
  const [edits, placed] = replaceNumbers(text, segment.start, citations)
  for (const [place, { answerSpan }] of citations.entries()) {
    const end = answerSpan && within(answerSpan[1])
    if (end === undefined || end === 0 || placed.has(place)) continue
    const at = placeOf(text, end)
    if (at !== undefined) edits.push({ at, length: 0, mark: citeMark([place]) })
  }
  for (const { answerSpan, supported } of claims) {
    const start = within(answerSpan[0])
    const end = within(answerSpan[1])
    if (supported || start === undefined || end === undefined || start >= end) continue
    edits.push({ at: start, length: 0, mark: DOUBT_OPEN }, { at: end, length: 0, mark: DOUBT_CLOSE })
  }
  edits.sort((one, other) => other.at - one.at)
  return edits.reduce((marked, { at, length, mark }) => marked.slice(0, at) + mark + marked.slice(at + length), text)
}

export interface MarkMakers {
  /** The small number of a citation, by its place in the list. */
  readonly cite: (place: number) => Node
  /** A stretch of text that no document supports. */
  readonly doubt: (text: string) => Node
}

/** Puts elements in the place of the marks below `root`. */
export function placeMarks(root: Node, makers: MarkMakers): void {
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT)
  const found: Text[] = []
  for (let node = walker.nextNode(); node; node = walker.nextNode()) found.push(node as Text)
  let inDoubt = false
  for (const node of found) {
    if (!inDoubt && node.data.search(MARKS) === -1) continue
    const pieces = node.data.split(PIECES).filter((piece) => piece !== '')
    const made = pieces.flatMap((piece): Node[] => {
      if (piece === DOUBT_OPEN || piece === DOUBT_CLOSE) {
        inDoubt = piece === DOUBT_OPEN
        return []
      }
      if (piece.startsWith(CITE_OPEN)) return [makers.cite(Number(piece.slice(1, -1)))]
      return [inDoubt && piece.trim() !== '' ? makers.doubt(piece) : document.createTextNode(piece)]
    })
    node.replaceWith(...made)
  }
}

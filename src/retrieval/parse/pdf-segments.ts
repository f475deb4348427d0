import { composeAccents, type Fragment } from './pdf-fragments.js'

/** Text on one line without a wide gap in it: part of a line of text, or a cell. */
export interface Segment {
  readonly text: string
  readonly x0: number
  readonly x1: number
  readonly y: number
  /** Size and font of most of its characters. */
  readonly size: number
  readonly font: string
}

const RTL = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]/g
const LTR = /[A-Za-z\u00c0-\u058f\u0900-\u1fff\u2c00-\ud7ff]/g

/** Whether most letters of a text are of a script that runs from right to left. */
export function isRightToLeft(text: string): boolean {
  const rtl = text.match(RTL)?.length ?? 0
  return rtl > 0 && rtl > (text.match(LTR)?.length ?? 0)
}

/** Scripts that write no space between words. */
const NO_SPACES = /[\u2e80-\u303f\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff00-\uffef]/

/** Whether two pieces that touch are joined without a space, as East Asian text is. */
export function joinsWithoutSpace(before: string, after: string): boolean {
  return NO_SPACES.test(before.at(-1) ?? '') && NO_SPACES.test(after[0] ?? '')
}

/** A segment in the making. */
interface OpenSegment {
  fragments: Fragment[]
  x0: number
  x1: number
  /** Baseline and size of its largest fragment: sub- and superscripts do not move it. */
  y: number
  size: number
}

/** Widest gap within a segment, in font sizes: justified text stays together, columns and cells do not. */
const WIDEST_GAP = 1

function continues(segment: OpenSegment, next: Fragment): boolean {
  const size = Math.max(segment.size, next.size)
  const smaller = Math.min(segment.size, next.size)
  const shift = Math.abs(segment.y - next.y)
  // A large first letter and a superscript stand off the line, and only those of another size may.
  if (shift > (smaller < size * 0.85 ? 0.55 : 0.25) * size) return false
  const gap = Math.max(next.x0 - segment.x1, segment.x0 - next.x1)
  return gap <= WIDEST_GAP * size && gap >= -0.6 * size
}

function open(fragment: Fragment): OpenSegment {
  return { fragments: [fragment], x0: fragment.x0, x1: fragment.x1, y: fragment.y, size: fragment.size }
}

function extend(segment: OpenSegment, next: Fragment): void {
  segment.fragments.push(next)
  segment.x0 = Math.min(segment.x0, next.x0)
  segment.x1 = Math.max(segment.x1, next.x1)
  if (next.size > segment.size * 1.02) {
    segment.size = next.size
    segment.y = next.y
  }
}

/** Whether the document drew the same text twice in one place, to make it bold or give it a shadow. */
function isOverprint(segment: OpenSegment, next: Fragment): boolean {
  const last = segment.fragments.at(-1)
  return (
    last !== undefined &&
    last.text === next.text &&
    Math.abs(last.x0 - next.x0) < next.size * 0.2 &&
    Math.abs(last.y - next.y) < next.size * 0.2
  )
}

/** Fragments in the order of reading: a line that runs from right to left keeps its Latin parts and numbers in order. */
function orderFragments(fragments: readonly Fragment[]): Fragment[] {
  const ordered = [...fragments].sort((a, b) => a.x0 - b.x0)
  if (!isRightToLeft(ordered.map((fragment) => fragment.text).join(' '))) return ordered
  const reversed = ordered.reverse()
  const result: Fragment[] = []
  let run: Fragment[] = []
  for (const fragment of reversed) {
    if (isRightToLeft(fragment.text)) {
      result.push(...run, fragment)
      run = []
    } else run.unshift(fragment)
  }
  return [...result, ...run]
}

function needsSpace(before: Fragment, after: Fragment, isSpaced: boolean): boolean {
  if (joinsWithoutSpace(before.text, after.text) && !isSpaced) return false
  const gap = Math.max(after.x0 - before.x1, before.x0 - after.x1)
  return isSpaced || gap > 0.16 * Math.min(before.size, after.size)
}

/** The value that most characters have. */
function byLength<Value>(fragments: readonly Fragment[], pick: (fragment: Fragment) => Value): Value | undefined {
  const lengths = new Map<Value, number>()
  let best: Value | undefined
  let most = 0
  for (const fragment of fragments) {
    const value = pick(fragment)
    const length = (lengths.get(value) ?? 0) + fragment.text.length
    lengths.set(value, length)
    if (length > most) {
      most = length
      best = value
    }
  }
  return best
}

function close(segment: OpenSegment): Segment {
  const fragments = orderFragments(segment.fragments)
  let text = ''
  let before: Fragment | undefined
  const order = new Map(segment.fragments.map((fragment, index) => [fragment, index]))
  for (const fragment of fragments) {
    // `spaced` is about the fragment that was drawn before, which in a line from right to left may be read after.
    const step = before ? (order.get(fragment) ?? 0) - (order.get(before) ?? 0) : 0
    const isSpaced = (step === 1 && fragment.spaced) || (step === -1 && before?.spaced === true)
    text += before && needsSpace(before, fragment, isSpaced) ? ` ${fragment.text}` : fragment.text
    before = fragment
  }
  return {
    text: composeAccents(text),
    x0: segment.x0,
    x1: segment.x1,
    y: segment.y,
    size: byLength(fragments, (fragment) => Math.round(fragment.size * 10) / 10) ?? segment.size,
    font: byLength(fragments, (fragment) => fragment.font) ?? '',
  }
}

/** Joins open segments that stand side by side on one line, wherever the document drew them. */
function mergeNeighbours(segments: readonly OpenSegment[]): OpenSegment[] {
  const sorted = [...segments].sort((a, b) => a.y - b.y || a.x0 - b.x0)
  const merged: OpenSegment[] = []
  for (const segment of sorted) {
    let target: OpenSegment | undefined
    for (let index = merged.length - 1; index >= 0; index--) {
      const candidate = merged[index] as OpenSegment
      if (segment.y - candidate.y > 40) break
      const size = Math.max(candidate.size, segment.size)
      if (Math.abs(candidate.y - segment.y) > 0.25 * size) continue
      const gap = Math.max(segment.x0 - candidate.x1, candidate.x0 - segment.x1)
      if (gap > 0.5 * size || gap < -0.3 * size) continue
      target = candidate
      break
    }
    if (target) for (const fragment of segment.fragments) extend(target, fragment)
    else merged.push(segment)
  }
  return merged
}

/**
 * Joins the fragments of a page to segments: first in the order in which the document draws them, which keeps columns
 * apart that touch, then by place.
 */
export function joinFragments(fragments: readonly Fragment[]): Segment[] {
  const segments: OpenSegment[] = []
  let current: OpenSegment | undefined
  for (const fragment of fragments) {
    if (current && isOverprint(current, fragment)) continue
    if (current && continues(current, fragment)) extend(current, fragment)
    else {
      current = open(fragment)
      segments.push(current)
    }
  }
  return mergeNeighbours(segments).map(close)
}

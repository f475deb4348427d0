import type { CallScanner, ReadCall } from './call-scanner.js'

interface TagBase {
  readonly text: string
  /** Counts only at the start of a line (after white space). */
  readonly atLineStart?: boolean
}

/** The beginning of a call. */
export interface CallTag extends TagBase {
  readonly kind: 'call'
  /** Tags that end it; none where its own form does. */
  readonly close?: readonly string[]
  /** Only what follows tells whether it is a call: until then the text is held back, and shown when it is none. */
  readonly isTentative?: boolean
  /** The tag is part of the call's text, such as the opening brace of a bare object. */
  readonly isBody?: boolean
  /** Tentative, and no call without arguments. */
  readonly needsArguments?: boolean
  createScanner(): CallScanner
  /** The calls in the text; an unreadable one has its text as input. */
  read(text: string): readonly ReadCall[]
}

/** What stands in a model's text beside text. */
export type Tag =
  | CallTag
  /** Reasoning, up to one of `close`. With `mayAnswer` it is told as text too when the turn ends with it and has nothing else. */
  | (TagBase & {
      readonly kind: 'think'
      readonly close: readonly string[]
      readonly trims?: boolean
      readonly mayAnswer?: boolean
    })
  /** Left out up to one of `close`, such as results that the model invents; with `endsTurn`, after a call, everything from there on. */
  | (TagBase & { readonly kind: 'skip'; readonly close: readonly string[]; readonly endsTurn?: boolean })
  /** Left out by itself; `trims` leaves out white space after it too. */
  | (TagBase & { readonly kind: 'stray'; readonly trims?: boolean })
  /** Stands between a call's name and its arguments. */
  | (TagBase & { readonly kind: 'separator' })

/** Marks a block of code. As the end of a call it is not a tag elsewhere. */
export const FENCE = '```'

const THINK: readonly Tag[] = [
  { kind: 'think', text: '<think>', close: ['</think>'] },
  { kind: 'think', text: '<thinking>', close: ['</thinking>'] },
  { kind: 'stray', text: '</think>', trims: true },
  { kind: 'stray', text: '</thinking>', trims: true },
]

/** Where a search ended: everything before `at` is decided; with no tag, the rest may still become one. */
export interface Found {
  readonly at: number
  readonly tag: Tag | undefined
  readonly atLineStart: boolean
}

export interface SearchOptions {
  readonly atLineStart: boolean
  /** Nothing more comes: what is no tag yet never will be. */
  readonly isLast: boolean
  wants(tag: Tag, at: number): boolean
}

/** Every tag of a format, found by its first character. Time is linear in the text. */
export interface TagTable {
  readonly hasCalls: boolean
  /** Characters that neither begin a tag nor matter to a string or a line. Sticky. */
  readonly plain: RegExp
  mayBegin(character: string): boolean
  /** The tag at a place, or whether the text may still become one. */
  tagAt(text: string, at: number, options: SearchOptions): Tag | 'maybe' | undefined
  /** The first tag from a place on. */
  find(text: string, from: number, options: SearchOptions): Found
}

export function createTagTable(own: readonly Tag[]): TagTable {
  const tags = withCloses([...own, ...THINK])
  const byFirst = new Map<string, Tag[]>()
  for (const tag of tags) byFirst.set(tag.text.charAt(0), [...(byFirst.get(tag.text.charAt(0)) ?? []), tag])
  for (const list of byFirst.values()) list.sort((a, b) => b.text.length - a.text.length)
  const firsts = [...byFirst.keys()]
  const free = firsts.filter((first) => byFirst.get(first)?.some(({ atLineStart }) => !atLineStart))
  const hasLineTags = tags.some(({ atLineStart }) => atLineStart)
  const trigger = new RegExp(`[${classOf(free)}${hasLineTags ? '\\n' : ''}]`, 'g')
  const plain = new RegExp(`[^${classOf(firsts)}"'\\\\\\n]+`, 'y')

  const tagAt: TagTable['tagAt'] = (text, at, { atLineStart, isLast, wants }) => {
    let matched: Tag | undefined
    let isBeginning = false
    for (const tag of byFirst.get(text.charAt(at)) ?? []) {
      if ((tag.atLineStart && !atLineStart) || !wants(tag, at)) continue
      if (text.startsWith(tag.text, at)) {
        matched ??= tag
      } else if (text.length - at < tag.text.length && tag.text.startsWith(text.slice(at))) {
        isBeginning = true
      }
    }
    // A tag that is the beginning of a longer one waits for it.
    return isBeginning && (matched === undefined || !isLast) ? 'maybe' : matched
  }

  const find: TagTable['find'] = (text, from, options) => {
    let { atLineStart } = options
    for (let at = from; ; at++) {
      if (atLineStart) {
        at = skipSpace(text, at)
      } else {
        trigger.lastIndex = at
        at = trigger.exec(text)?.index ?? text.length
      }
      if (at >= text.length) return { at: text.length, tag: undefined, atLineStart }
      if (text[at] === '\n') {
        atLineStart = true
        continue
      }
      const tag = tagAt(text, at, { ...options, atLineStart })
      if (tag !== undefined) return { at, tag: tag === 'maybe' ? undefined : tag, atLineStart }
      atLineStart = false
    }
  }
  return {
    hasCalls: own.some(({ kind }) => kind === 'call'),
    plain,
    mayBegin: (character) => byFirst.has(character),
    tagAt,
    find,
  }
}

/** A closing tag where nothing is open is left out; a closing fence matters only in a call. */
function withCloses(tags: readonly Tag[]): Tag[] {
  const all = [...tags]
  for (const tag of tags) {
    const closes = tag.kind === 'call' || tag.kind === 'skip' ? (tag.close ?? []) : []
    for (const text of closes) {
      const kind = text === FENCE ? 'separator' : 'stray'
      if (!all.some((other) => other.text === text && (kind === 'stray' || other.kind === kind)))
        all.push({ kind, text })
    }
  }
  return all
}

function skipSpace(text: string, from: number): number {
  let at = from
  while (text[at] === ' ' || text[at] === '\n' || text[at] === '\t' || text[at] === '\r') at++
  return at
}

function classOf(characters: readonly string[]): string {
  return characters.map((character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`).join('')
}

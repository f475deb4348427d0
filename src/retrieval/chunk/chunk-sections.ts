import type { Heading } from '../parse/document.js'

/** A part of a document under one heading. */
export interface Section {
  readonly start: number
  /** Titles from the outermost heading to its own. */
  readonly path: readonly string[]
}

/** Sections that are chunked together, so that tiny ones do not become chunks of five tokens. */
export interface SectionGroup {
  /** Indexes of the first section, and of the one after the last. */
  readonly from: number
  readonly to: number
  /** What the paths of its sections have in common. */
  readonly path: readonly string[]
}

/** Sections of a text of this length by its headings; the first begins at 0 and has no path unless a heading stands there. */
export function findSections(length: number, headings: readonly Heading[]): Section[] {
  const ordered = headings
    .filter((heading) => heading.start >= 0 && heading.start < length)
    .sort((a, b) => a.start - b.start)
  const sections: Section[] = [{ start: 0, path: [] }]
  const open: Heading[] = []
  for (const heading of ordered) {
    while (open.length > 0 && (open.at(-1)?.level ?? 0) >= heading.level) open.pop()
    open.push(heading)
    // Hostile outlines nest without end; nobody reads a path of more than a few titles.
    const path = open.slice(-8).map(({ title }) => title)
    if (sections.at(-1)?.start === heading.start) sections.pop()
    sections.push({ start: heading.start, path })
  }
  return sections
}

const commonPath = (a: readonly string[], b: readonly string[]): readonly string[] => {
  const different = a.findIndex((title, index) => title !== b[index])
  return different < 0 ? a : a.slice(0, different)
}

const isPrefix = (a: readonly string[], b: readonly string[]): boolean => commonPath(a, b).length === a.length

/** What the grouping needs to know of a section's text. */
export interface SectionSize {
  readonly tokens: number
  /** Whether it has text besides its title. */
  readonly hasBody: boolean
}

/**
 * Groups sections in order. A tiny one joins its neighbour under the same parent, or the section that it introduces,
 * while both fit into one chunk; a title without text always joins the first section under it.
 */
export function groupSections(
  sections: readonly Section[],
  sizes: readonly SectionSize[],
  limitTokens: number,
): SectionGroup[] {
  const tiny = limitTokens / 4
  const groups: {
    from: number
    to: number
    path: readonly string[]
    last: readonly string[]
    tokens: number
    hasBody: boolean
  }[] = []
  for (const [index, section] of sections.entries()) {
    const size = sizes[index] ?? { tokens: 0, hasBody: false }
    const group = groups.at(-1)
    const isChild = group !== undefined && isPrefix(group.last, section.path) && section.path.length > group.last.length
    const isSibling =
      group !== undefined &&
      group.last.length === section.path.length &&
      isPrefix(group.last.slice(0, -1), section.path)
    const fits = group !== undefined && group.tokens + size.tokens <= limitTokens
    const isTiny = group !== undefined && (group.tokens < tiny || size.tokens < tiny)
    if (
      group &&
      ((fits && isTiny && (isChild || isSibling)) || (!group.hasBody && isChild && group.tokens <= limitTokens / 2))
    ) {
      group.to = index + 1
      group.path = group.hasBody ? commonPath(group.path, section.path) : section.path
      group.last = section.path
      group.tokens += size.tokens
      group.hasBody ||= size.hasBody
    } else groups.push({ from: index, to: index + 1, path: section.path, last: section.path, ...size })
  }
  return groups.map(({ from, to, path }) => ({ from, to, path }))
}

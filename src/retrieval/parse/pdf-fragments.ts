/** A run of text as it stands on a page, turned upright: x to the right, y down to its baseline, in points. */
export interface Fragment {
  readonly text: string
  readonly x0: number
  readonly x1: number
  readonly y: number
  /** Font size. */
  readonly size: number
  /** Name of the font, unique within the document. */
  readonly font: string
  /** Whether the document has white space before it. */
  readonly spaced: boolean
}

/** What pdf.js gives for a run of text. */
export interface TextRun {
  readonly str: string
  /** Text space to user space: a, b, c, d, e, f. */
  readonly transform: readonly number[]
  readonly width: number
  readonly height: number
  readonly fontName: string
}

/** Fragments that run in one direction. */
export interface FragmentGroup {
  /** Clockwise turns of 90° that their text has on the shown page. */
  readonly turns: number
  readonly fragments: readonly Fragment[]
}

/** Accents that TeX draws before the letter under them, by their combining form. */
const ACCENTS: Readonly<Record<string, string>> = {
  '\u00a8': '\u0308',
  '\u00b4': '\u0301',
  '\u02c6': '\u0302',
  '\u02dc': '\u0303',
  '\u00b8': '\u0327',
  '\u02c7': '\u030c',
  '\u02da': '\u030a',
  '\u02d8': '\u0306',
}

/** `na¨ıve` as `naïve`: an accent drawn apart from its letter, where the two make one character. */
export function composeAccents(text: string): string {
  return text.replace(
    /([\u00a8\u00b4\u02c6\u02dc\u00b8\u02c7\u02da\u02d8]) ?([A-Za-z\u0131])/g,
    (whole, accent, letter) => {
      const composed = ((letter === '\u0131' ? 'i' : letter) + (ACCENTS[accent] ?? '')).normalize('NFC')
      return composed.length === 1 ? composed : whole
    },
  )
}

/** Forms of letters that fonts have glyphs for: ligatures, Arabic presentation forms, CJK radicals used as characters. */
const PRESENTATION_FORMS = /[\ufb00-\ufdff\ufe70-\ufefc\u2e80-\u2fdf\uf900-\ufaff]+/g

/**
 * Readable text of a run: presentation forms as letters, Symbol's bullet as a bullet, no control characters. The run is
 * in logical order already; a ligature is taken apart only now, so that its letters keep their order.
 */
function cleanRun(text: string): string {
  return (
    text
      .replace(PRESENTATION_FORMS, (forms) => forms.normalize('NFKC'))
      .replace(/\uf0b7|\uf0a7/g, '•')
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out
      .replace(/[\u0000-\u001f\u007f-\u009f\u200b\ufeff\ufffe\uffff]/g, ' ')
      .replace(/[\s\u00a0]+/g, ' ')
  )
}

/** Clockwise quarter turns of a direction on the shown page (y down); undefined for a slanted one. */
function quarterTurns(directionX: number, directionY: number): number | undefined {
  const angle = Math.atan2(directionY, directionX) / (Math.PI / 2)
  const turns = Math.round(angle)
  return Math.abs(angle - turns) > 0.12 ? undefined : (turns + 4) % 4
}

/** Turns a place on the shown page so that text of these turns stands upright. */
function turnUpright(x: number, y: number, turns: number): readonly [x: number, y: number] {
  if (turns === 1) return [y, -x]
  if (turns === 2) return [-x, -y]
  if (turns === 3) return [-y, x]
  return [x, y]
}

/**
 * The runs of a page as fragments, grouped by the direction of their text; the group with most text comes first.
 * `toPage` takes user space to the shown page, the page's own rotation included. Slanted text, as of a watermark, comes
 * in a group of its own, and so does vertical writing, which is turned so that its lines read like horizontal ones.
 */
export function groupFragments(
  runs: readonly TextRun[],
  toPage: readonly number[],
  isVertical: (fontName: string) => boolean,
): FragmentGroup[] {
  const groups = new Map<string, { turns: number; fragments: Fragment[]; length: number }>()
  let spaced = false
  for (const run of runs) {
    const text = cleanRun(run.str)
    const trimmed = text.trim()
    if (trimmed === '') {
      spaced ||= run.str !== ''
      continue
    }
    const vertical = isVertical(run.fontName)
    const place = placeRun(run, toPage, vertical)
    if (!Number.isFinite(place.box.x0 + place.box.x1 + place.box.y + place.box.size)) continue
    const key = `${place.turns} ${vertical} ${place.slanted}`
    const group = groups.get(key) ?? { turns: place.turns, fragments: [], length: 0 }
    groups.set(key, group)
    group.length += trimmed.length
    group.fragments.push({ ...place.box, text: trimmed, font: run.fontName, spaced: spaced || text.startsWith(' ') })
    spaced = text.endsWith(' ')
  }
  return [...groups.values()].sort((a, b) => b.length - a.length)
}

function placeRun(
  run: TextRun,
  toPage: readonly number[],
  vertical: boolean,
): { turns: number; slanted: boolean; box: Pick<Fragment, 'x0' | 'x1' | 'y' | 'size'> } {
  const [a = 1, b = 0, c = 0, d = 1, e = 0, f = 0] = run.transform
  const [pa = 1, pb = 0, pc = 0, pd = -1, pe = 0, pf = 0] = toPage
  const turns = quarterTurns(pa * a + pc * b, pb * a + pd * b)
  const [x, y] = turnUpright(pa * e + pc * f + pe, pb * e + pd * f + pf, turns ?? 0)
  const size = Math.hypot(c, d) || Math.hypot(a, b) || 1
  const slanted = turns === undefined
  if (vertical) return { turns: turns ?? 0, slanted, box: { x0: y, x1: y + Math.abs(run.height || size), y: -x, size } }
  return { turns: turns ?? 0, slanted, box: { x0: x, x1: x + Math.abs(run.width), y, size } }
}

/** Text that is kept of each font to judge it by. */
const SAMPLE_CHARACTERS = 4000

/** Scripts whose letters stand in one word together. */
const SCRIPT_GROUPS: readonly RegExp[] = [
  /[\p{Script=Latin}\p{Script=Greek}]/u,
  /\p{Script=Cyrillic}/u,
  /\p{Script=Arabic}/u,
  /\p{Script=Hebrew}/u,
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Script=Bopomofo}]/u,
  /\p{Script=Devanagari}/u,
  /\p{Script=Bengali}/u,
  /\p{Script=Tamil}/u,
  /\p{Script=Telugu}/u,
  /\p{Script=Thai}/u,
  /\p{Script=Lao}/u,
  /\p{Script=Georgian}/u,
  /\p{Script=Armenian}/u,
  /\p{Script=Ethiopic}/u,
]

/** The group of a letter; scripts that are in none are one of their own. */
function groupOf(letter: string): number {
  return SCRIPT_GROUPS.findIndex((group) => group.test(letter))
}

/** Letters in words that no language writes: of several scripts at once. */
function mixedLetters(text: string): { mixed: number; all: number } {
  let mixed = 0
  let all = 0
  for (const [word] of text.matchAll(/\p{L}{2,}/gu)) {
    const groups = new Set([...word].map(groupOf))
    all += word.length
    if (groups.size > 1) mixed += word.length
  }
  return { mixed, all }
}

/** Characters that stand for nothing: private, unassigned, replaced. */
function isMeaningless(text: string): boolean {
  const visible = text.match(/\S/gu)?.length ?? 0
  const strange = text.match(/[\p{Co}\p{Cn}\ufffd]/gu)?.length ?? 0
  return strange >= 10 && strange > visible * 0.3
}

/**
 * Whether Latin letters are numbers of glyphs, which most fonts list in ASCII's order but begin 29 later: `6KLIW` for
 * `Shift`. Such text has hardly a small letter, and few vowels.
 */
function isShifted(text: string): boolean {
  const letters = text.match(/[A-Za-z]/g) ?? []
  if (letters.length < 100) return false
  const capitals = letters.filter((letter) => letter < 'a').length
  const vowels = letters.filter((letter) => 'AEIOUaeiou'.includes(letter)).length
  return capitals > letters.length * 0.85 && vowels < letters.length * 0.18
}

/** Letters of phonetic scripts and rare languages, which no text consists of. */
function isRare(text: string): boolean {
  const letters = text.match(/\p{L}/gu)?.length ?? 0
  const rare = text.match(/[\u0180-\u02af]/g)?.length ?? 0
  return rare >= 20 && rare > letters * 0.4
}

/** Whether a font's text is not what it draws: its file does not say which characters its glyphs stand for. */
export function looksUnreadable(text: string): boolean {
  if (isMeaningless(text) || isShifted(text) || isRare(text)) return true
  const { mixed, all } = mixedLetters(text)
  return all >= 30 && mixed > all * 0.3
}

/** Text of each font of a document, to find those that cannot be read. */
export interface FontJudge {
  add(font: string, text: string): void
  /** Fonts that cannot be read, and the share of the document's characters that are in them. */
  judge(): { readonly fonts: ReadonlySet<string>; readonly share: number }
}

export function createFontJudge(): FontJudge {
  const samples = new Map<string, { text: string; length: number }>()
  return {
    add(font, text) {
      const sample = samples.get(font) ?? { text: '', length: 0 }
      samples.set(font, sample)
      sample.length += text.length
      if (sample.text.length < SAMPLE_CHARACTERS) sample.text += ` ${text}`
    },
    judge() {
      const fonts = new Set<string>()
      let all = 0
      let unreadable = 0
      for (const [font, { text, length }] of samples) {
        all += length
        if (!looksUnreadable(text)) continue
        fonts.add(font)
        unreadable += length
      }
      return { fonts, share: all === 0 ? 0 : unreadable / all }
    },
  }
}

/** Control characters, bidirectional overrides, zero-width characters and the invisible alphabet of U+E0000: a person would not see them. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is taken out
const UNSEEN = /[\u0000-\u001f\u007f-\u009f\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\u{e0000}-\u{e007f}]+/gu

/** Marks of chat templates, which must not begin a turn of their own. */
const TEMPLATE_MARKS = /<\|/g

/**
 * Words of a stranger on one line, cut to a length, without what cannot be seen and without the marks of chat templates.
 * @param maxLength in UTF-16 code units
 */
export function plainWords(text: unknown, maxLength: number): string {
  if (typeof text !== 'string') return ''
  // Cut before anything else is done: the text may be long.
  const bare = text
    .slice(0, maxLength * 2)
    .replace(UNSEEN, ' ')
    .replace(TEMPLATE_MARKS, '< |')
    .replace(/\s{2,}/g, ' ')
    .trim()
  return bare.length > maxLength ? `${bare.slice(0, maxLength - 1).replace(/[\ud800-\udbff]$/, '')}…` : bare
}

/** A name that models can write and tools may have, made of any text. Empty when nothing is left. */
export function plainName(text: string): string {
  return text
    .slice(0, 200)
    .replace(/[^\p{L}\p{N}_.-]+/gu, '_')
    .replace(/^_+|_+$/g, '')
    .slice(0, 128)
}

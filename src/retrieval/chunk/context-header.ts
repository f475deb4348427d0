/** Longest header in UTF-16 code units for chunks of so many tokens: a byte-level tokenizer makes three of one at most, and text must fit. */
export const headerLengthFor = (chunkTokens: number): number => Math.floor(chunkTokens / 4)

/**
 * What stands before a passage's text when it is embedded: title and headings, outermost first, on a line of its own. Where they are too
 * long, the outer headings are left out first, then the end is. Empty for none.
 */
export function createContextHeader(title: string, headings: readonly string[], maxLength: number): string {
  const clean = [title, ...headings].map((part) => part.replace(/\s+/gu, ' ').trim())
  const parts = clean.filter((part, index) => part !== '' && part !== clean[index - 1])
  const write = (list: readonly string[]): string => list.join(' > ')
  while (parts.length > 2 && write(parts).length >= maxLength) parts.splice(1, 1)
  const header = cutWhole(write(parts), maxLength - 1)
  return header === '' ? '' : `${header}\n`
}

/** The beginning of a text, no surrogate pair cut. */
function cutWhole(text: string, length: number): string {
  if (text.length <= length) return text
  const cut = text.slice(0, Math.max(0, length))
  return (/[\ud800-\udbff]$/.test(cut) ? cut.slice(0, -1) : cut).trimEnd()
}

/** Whether text begins like a web page: after white space, comments and XML declarations. */
export function looksLikeHtml(start: string): boolean {
  const rest = start.replace(/^(?:\ufeff|\s|<!--[\s\S]*?-->|<\?[\s\S]*?\?>)+/, '')
  return /^<(?:!doctype\s+html|html|head|body)[\s>]/i.test(rest)
}

/** Whether text has the marks of Markdown: a heading, and one other mark or a second heading. */
export function looksLikeMarkdown(start: string): boolean {
  const headings = start.match(/^ {0,3}#{1,6} +\S/gm)?.length ?? 0
  if (headings === 0) return false
  const others = start.match(/^(?:```|~~~|[-*+] +\S|\d+\. +\S|\|.*\||> )|\*\*\S|\]\(\S/gm)?.length ?? 0
  return headings + others > 1
}

/** Whether text of an unnamed kind begins like JSON that is worth reading as such. */
export function looksLikeJson(start: string): boolean {
  return /^\ufeff?\s*(?:\{\s*(?:"|\})|\[\s*(?:[[{"\d-]|true|false|null|\]))/.test(start)
}

const SAMPLE_LINES = 30

/** Whether text of an unnamed kind is plainly a table: several lines with the same number of separators. */
export function looksLikeCsv(start: string, isWhole: boolean): boolean {
  const lines = start.split('\n').slice(0, SAMPLE_LINES)
  const whole = (isWhole ? lines : lines.slice(0, -1)).filter((line) => line.trim() !== '')
  if (whole.length < 5) return false
  return [',', '\t', ';', '|'].some((separator) => {
    const counts = whole.map((line) => line.split(separator).length)
    return (counts[0] ?? 0) > 2 && counts.every((count) => count === counts[0])
  })
}

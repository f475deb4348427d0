/** Reads the main text of HTML. */
export type ReadHtml = (html: string) => Promise<{ readonly title?: string; readonly text: string }>

/** A piece of a long text, and where it goes on. */
export function sliceText(text: string, from: number, maxCharacters: number): Readonly<Record<string, unknown>> {
  const end = Math.min(text.length, from + maxCharacters)
  return { text: text.slice(from, end), ...(end < text.length ? { continuesFrom: end, characters: text.length } : {}) }
}

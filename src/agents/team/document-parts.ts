import type { Corpus, Hit, Metadata, Source, StoredDocument } from '../../protocol/corpus.js'
import { AlcoveError } from '../../protocol/error.js'
import { estimateTokens } from '../passages.js'

export interface PartOptions {
  /** About how many tokens a part has. */
  readonly partTokens: number
  readonly maxParts: number
  readonly where: Metadata | undefined
}

/**
 * A whole corpus in parts, in the order of its documents.
 *
 * @throws AlcoveError `too-large` for more parts than `maxParts`
 */
export async function readParts(corpus: Corpus, { partTokens, maxParts, where }: PartOptions): Promise<Hit[]> {
  const parts: Hit[] = []
  for (const { id } of await corpus.list()) {
    const document = await corpus.get(id)
    if (document === undefined || !matches(document.metadata, where)) continue
    for (const part of cutDocument(document, partTokens)) {
      if (parts.length >= maxParts) throw tooLarge(maxParts)
      parts.push(part)
    }
  }
  return parts
}

function tooLarge(maxParts: number): AlcoveError {
  return new AlcoveError('too-large', `documentQa: the documents have more than ${maxParts} parts to be read`, {
    hint: "Use mode 'simple', which searches; choose documents with `where`; or raise maxParts.",
    details: { maxParts },
  })
}

function matches(metadata: Metadata, where: Metadata | undefined): boolean {
  return Object.entries(where ?? {}).every(([key, value]) => metadata[key] === value)
}

function* cutDocument(document: StoredDocument, partTokens: number): Generator<Hit> {
  const { id, title, url, text, metadata } = document
  const source: Source = { id, title, ...(url !== undefined && { url }), headings: [], metadata }
  for (let start = 0; start < text.length; ) {
    const end = endOfPart(text, start, partTokens)
    const part = text.slice(start, end)
    if (part.trim() !== '') yield { id: `${id}#${start}`, text: part, score: 0, ranks: {}, source, span: [start, end] }
    start = end
  }
}

/** Where a part may end, the best first: between paragraphs, lines, sentences, words. */
const BREAKS = [/\n\s*\n/g, /\n/g, /[.!?]["')\]]*\s|[。！？]/g, /\s/g]

function endOfPart(text: string, start: number, partTokens: number): number {
  // The rarest script has a bit more than one token for a character, Latin a quarter.
  let end = Math.min(text.length, start + partTokens * 4)
  const tokens = estimateTokens(text.slice(start, end))
  if (tokens > partTokens) end = start + Math.max(1, Math.floor(((end - start) * partTokens) / tokens))
  if (end >= text.length) return text.length
  const half = start + Math.floor((end - start) / 2)
  const window = text.slice(half, end)
  for (const pattern of BREAKS) {
    const last = [...window.matchAll(pattern)].at(-1)
    if (last !== undefined) return half + last.index + last[0].length
  }
  const isPair = /[\uD800-\uDBFF]/.test(text[end - 1] ?? '')
  return isPair && end - 1 > start ? end - 1 : end
}

/** A corpus that finds what was found already. */
export function foundCorpus(corpus: Corpus, hits: readonly Hit[]): Corpus {
  return new Proxy(corpus, {
    get(target, key) {
      if (key === 'search') return async () => [...hits]
      // Nothing else of it is to be added to what was found.
      if (key === 'stats') return async () => ({ ...(await target.stats()), documents: Number.POSITIVE_INFINITY })
      const value: unknown = Reflect.get(target, key, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

import type { ChunkTable } from './corpus-layout.js'

/** What passages are cut from. */
export interface CachedContent {
  readonly text: string
  readonly table: ChunkTable
}

/** Contents of documents by segment; those that were not used for longest go first. */
export interface ContentCache {
  get(segment: string): CachedContent | undefined
  put(segment: string, content: CachedContent): void
  delete(segment: string): void
  clear(): void
  /** Whether there is room for so many bytes more without anything going. */
  hasRoom(bytes: number): boolean
}

/** @param budgetBytes most bytes that the texts and tables take; the newest is kept even when it alone takes more */
export function createContentCache(budgetBytes: number): ContentCache {
  const contents = new Map<string, CachedContent>()
  let used = 0

  function remove(segment: string): void {
    const content = contents.get(segment)
    if (content === undefined) return
    contents.delete(segment)
    used -= sizeOf(content)
  }

  return {
    get(segment) {
      const content = contents.get(segment)
      if (content === undefined) return undefined
      contents.delete(segment)
      contents.set(segment, content)
      return content
    },
    put(segment, content) {
      remove(segment)
      contents.set(segment, content)
      used += sizeOf(content)
      for (const oldest of contents.keys()) {
        if (used <= budgetBytes || oldest === segment) return
        remove(oldest)
      }
    },
    delete: remove,
    clear() {
      contents.clear()
      used = 0
    },
    hasRoom: (bytes) => used + bytes <= budgetBytes,
  }
}

const sizeOf = ({ text, table }: CachedContent): number => text.length * 2 + table.pages.length * 16

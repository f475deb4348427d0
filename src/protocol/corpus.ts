/** A half-open range `[start, end)` of UTF-16 code units in a stored document's text. */
export type Span = readonly [start: number, end: number]

/** Values that a document may carry and `where` may filter on. */
export type MetadataValue = string | number | boolean | null
export type Metadata = Readonly<Record<string, MetadataValue>>

/** The document that a passage comes from, and the place in it. */
export interface Source {
  readonly id: string
  readonly title: string
  readonly url?: string
  /** Page number from 1, where the document has pages. */
  readonly page?: number
  /** Titles of the sections that hold the passage, outermost first. */
  readonly headings: readonly string[]
  readonly metadata?: Metadata
}

/** One passage that a search found. `document.text.slice(...span) === text` always holds. */
export interface Hit {
  /** Id of the passage (chunk), unique within the corpus. */
  readonly id: string
  readonly text: string
  /** Fused score, or the reranker's: higher is better, comparable within one search only. */
  readonly score: number
  /** Rank in each leg that found it, from 1; of several queries the best one. */
  readonly ranks: { readonly keyword?: number; readonly vector?: number }
  readonly source: Source
  readonly span: Span
}

/** A statement's source: the quoted text, where it stands, and whether it was found there. */
export interface Citation {
  /** Number of the citation within the answer, from 1. */
  readonly index: number
  readonly source: Source
  /** Where the quote stands in the stored document. */
  readonly span: Span
  readonly quote: string
  /** Whether the quote is, character for character, in the source at `span`. */
  readonly verified: boolean
  /** Which part of the answer it supports, in UTF-16 code units of the run's text. */
  readonly answerSpan?: Span
}

/** A document as a caller gives it: a file, or text with what is known of it. */
export type DocumentInput = Blob | TextDocument

export interface TextDocument {
  /** The text, or the bytes of a file in any kind that a parser knows. */
  readonly text?: string | undefined
  readonly data?: Blob | undefined
  /** Stable id. @default from the url, else from the title or file name */
  readonly id?: string | undefined
  readonly title?: string | undefined
  readonly url?: string | undefined
  /** IANA media type of `text` or `data`. @default told from the content */
  readonly mediaType?: string | undefined
  readonly metadata?: Metadata | undefined
}

/** A document as it is stored. Spans of hits point into `text`. */
export interface StoredDocument {
  readonly id: string
  readonly title: string
  readonly url?: string
  readonly text: string
  readonly metadata: Metadata
  /** Number of pages, where it has pages. */
  readonly pages?: number
  /** Where each page stands in the text, page 1 first; absent for documents that an older Alcove stored. */
  readonly pageSpans?: readonly Span[]
}

/** What is known of a stored document, apart from its text. What is not given stays as it is. */
export interface DocumentChanges {
  /** Moves it: the id that it has from now on. */
  readonly id?: string | undefined
  readonly title?: string | undefined
  /** `null` takes it away. */
  readonly url?: string | null | undefined
  /** In place of all metadata that it had. */
  readonly metadata?: Metadata | undefined
}

/** A row of `corpus.list()`. */
export interface DocumentSummary {
  readonly id: string
  readonly title: string
  readonly url?: string
  readonly mediaType: string
  readonly pages?: number
  /** Number of chunks. */
  readonly chunks: number
  /** Size of the stored text in bytes of UTF-8. */
  readonly bytes: number
  /** Milliseconds since the epoch. */
  readonly addedAt: number
  readonly metadata: Metadata
}

/** What `corpus.add` reports while it works: `embedding` at most some ten times a second, the others once for each document. */
export interface AddProgress {
  readonly type: 'reading' | 'embedding' | 'ready' | 'unchanged' | 'failed'
  /** Which input it is about: its position in the list, from 0. */
  readonly index: number
  readonly title: string
  /** The document's id, once known. */
  readonly id?: string
  /** Chunks embedded so far, and in all. */
  readonly chunksDone?: number
  readonly chunksTotal?: number
  /** Chunks of the whole add that get their vectors in a second, measured over the last seconds; with `embedding`. */
  readonly chunksPerSecond?: number
  /** Seconds until the whole add is over, estimated from that; with `embedding`. */
  readonly secondsLeft?: number
  readonly pages?: number
  /** What of this document could not be read; with `ready`. */
  readonly warnings?: readonly DocumentWarning[]
  /** Why this document failed. The others go on. */
  readonly error?: { readonly code: string; readonly message: string; readonly hint: string }
}

/** A part of a document that could not be read. The rest of it is in the corpus. */
export interface DocumentWarning {
  /** `unreadable-fonts`: fonts that do not say which letters they draw; `pages-without-text`: blank pages, or scans. */
  readonly code: string
  readonly message: string
}

export interface AddResult {
  /** Ids of the documents that are in the corpus now, in input order. */
  readonly ids: readonly string[]
  /** Numbers of documents that were new, changed, and already there. */
  readonly added: number
  readonly updated: number
  readonly unchanged: number
  readonly failed: readonly {
    readonly title: string
    readonly code: string
    readonly message: string
    readonly hint: string
  }[]
  /** What of the documents could not be read; absent where there is nothing to say. */
  readonly warnings?: readonly (DocumentWarning & { readonly id: string; readonly title: string })[]
}

/**
 * A folder with documents: a handle of the File System Access API, or the files of an `<input type="file" webkitdirectory>` (a `FileList` or
 * array of them, which say by `webkitRelativePath` where they stand).
 */
export type FolderInput = FileSystemDirectoryHandle | ArrayLike<File | FolderFile>

/** A file of a folder, and where it stands: `folder/below/name.md`. */
export interface FolderFile {
  readonly path: string
  readonly file: Blob
}

/** What `corpus.sync` did. */
export interface SyncResult extends AddResult {
  /** Number of documents that were removed, as their files are gone. */
  readonly removed: number
}

/** An add in progress: read it for progress, or await it for the result. It starts at once either way. */
export interface AddRun extends AsyncIterable<AddProgress>, PromiseLike<AddResult> {
  readonly isPaused: boolean
  /** Stops after what is under way, at most some tenths of a second; searches go on. What was done is kept. */
  pause(): void
  resume(): void
}

export interface AddOptions {
  readonly signal?: AbortSignal | undefined
  /**
   * `wait`: the add is over when the documents have their vectors. `background`: it is over when they are found by keyword, and vectors
   * follow. @default as the corpus was opened, else 'wait'
   */
  readonly vectors?: 'wait' | 'background' | undefined
  /**
   * Embeds in smaller batches with rests between, a quarter of the time at most. `auto`: while the device runs on its battery, where the
   * browser tells. @default false
   */
  readonly powerSaving?: boolean | 'auto' | undefined
}

/** Which legs a search uses. */
export type SearchMode = 'hybrid' | 'keyword' | 'vector'

export interface SearchOptions {
  /** How many hits at most. @default 10 */
  readonly topK?: number | undefined
  /** @default 'hybrid' */
  readonly mode?: SearchMode | undefined
  /** Only documents whose metadata has these values. Of a field that no document has, none. */
  readonly where?: Metadata | undefined
  /** What each leg of a hybrid search counts: from 0, which leaves it out, and not 0 for both. @default 1 for each */
  readonly weights?: SearchWeights | undefined
  /**
   * How much hits are chosen to differ from each other, from 0 (by relevance alone) to 1: maximal marginal relevance with `1 - diversity` as
   * its lambda (Carbonell and Goldstein 1998). @default 0
   */
  readonly diversity?: number | undefined
  /**
   * Reads the best 20 hits (or `topK`, where that is more) again together with the query, in a cross-encoder, and orders them by what it says:
   * `true` for the usual model (English), or the id of one. Where the model cannot be had the search goes on without, behind a warning. Each
   * hit takes the model about as long as embedding it. @default false
   */
  readonly rerank?: boolean | string | undefined
  readonly signal?: AbortSignal | undefined
}

/** What the legs of a hybrid search count. */
export interface SearchWeights {
  /** @default 1 */
  readonly keyword?: number | undefined
  /** @default 1 */
  readonly vector?: number | undefined
}

export interface CorpusOptions {
  /** Longest chunk, in tokens of the embedding model. @default 256 */
  readonly chunkTokens?: number | undefined
  /** Tokens that neighbouring chunks share. @default 32 */
  readonly overlapTokens?: number | undefined
  /**
   * Puts the document's title and the headings above a passage before its text for the embedding (not for what is stored and quoted): a
   * passage is then also found by what it is about. Counts within `chunkTokens`. For documents added from then on. @default false
   */
  readonly contextHeader?: boolean | undefined
  /**
   * `structure` cuts at headings, paragraphs and sentences. `semantic` also cuts where the meaning of neighbouring sentences parts, which
   * embeds each sentence as well; without an embedding model that counts its tokens it is `structure`. For documents added from then
   * on. @default 'structure'
   */
  readonly chunking?: 'structure' | 'semantic' | undefined
}

export interface CorpusStats {
  readonly documents: number
  readonly chunks: number
  /** Bytes kept for this corpus: texts, vectors and index. */
  readonly bytes: number
  /** Numbers in a vector; 0 while there is no embedding model. */
  readonly dimensions: number
  /** Id of the embedding model, or null where only keywords are searched. */
  readonly embedder: string | null
  /** Chunks that still wait for a vector (they are found by keyword). */
  readonly pendingVectors: number
}

/** Documents that can be searched. Everything in it stays on the device. */
export interface Corpus {
  readonly name: string
  /** Adds documents; an unchanged one costs nothing, a changed one replaces the old. */
  add(input: DocumentInput | readonly DocumentInput[], options?: AddOptions): AddRun
  /**
   * Makes the corpus have what a folder has: adds new files, replaces those whose content has changed, told by hash, and removes documents whose
   * files are gone. The id of each is its path, which begins with the folder's name; documents with other ids are let be, and so is a
   * document whose file is there and cannot be read any more. Call it again to follow a folder.
   */
  sync(folder: FolderInput, options?: Pick<AddOptions, 'signal' | 'vectors'>): Promise<SyncResult>
  /**
   * Renames or moves a stored document, or gives it other metadata; true when it was there. Its text is neither read, cut nor embedded
   * again, and adding the file that it came from once more does not undo it. A document with another text is updated with `add`.
   */
  update(id: string, changes: DocumentChanges): Promise<boolean>
  /**
   * The best passages for a query, best first; for several queries that ask for the same thing (up to 16), those that they find together.
   * Passages that say the same in the same words come once. Of a query longer than 200,000 characters the rest is not looked at.
   */
  search(query: string | readonly string[], options?: SearchOptions): Promise<Hit[]>
  /** The stored document, or undefined when there is none of that id. */
  get(id: string): Promise<StoredDocument | undefined>
  list(): Promise<DocumentSummary[]>
  /** Removes a document; true when it was there. */
  remove(id: string): Promise<boolean>
  stats(): Promise<CorpusStats>
  clear(): Promise<void>
  /** The whole corpus as one file. */
  export(): Promise<Blob>
  /** Takes in a file that `export` wrote. */
  import(file: Blob): Promise<AddResult>
}

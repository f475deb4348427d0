import { readdir, readFile, realpath, stat } from 'node:fs/promises'
import { basename, join, relative, resolve, sep } from 'node:path'
import type { AddResult } from '../src/protocol/corpus.js'
import { AlcoveError } from '../src/protocol/error.js'
import { createCorpusHost, type PacedCorpus } from '../src/retrieval/corpus.js'
import { parseDocument } from '../src/retrieval/parse/parse.js'
import { systemClock } from '../src/runtime/clock.js'
import { createMemoryStore } from '../src/store/store.js'
import { openNodeEmbedder } from './node-embedder.js'

export interface IndexFolderOptions {
  /** Absolute: not taken for a document. */
  readonly output: string
  readonly name?: string | undefined
  /** Id of a model, or a folder with one; without, the index has keywords alone. */
  readonly model?: string | undefined
  readonly baseUrl?: string | undefined
  readonly chunkTokens?: number | undefined
  readonly overlapTokens?: number | undefined
  readonly onProgress: (line: string) => void
}

export interface IndexedFolder {
  readonly file: Uint8Array
  readonly result: AddResult
  /** Paths of files of kinds that no parser reads. */
  readonly skipped: readonly string[]
  readonly chunks: number
}

/** Files that are in memory at one time. */
const addedAtOnce = 32

/**
 * Makes a corpus file of the documents in a folder and in those below it. Ids are paths, with slashes; hidden files and `node_modules` are
 * passed over. The same files give the same bytes, in any place and at any time.
 * @throws AlcoveError `not-found` for a folder that is not there; of the embedding model
 */
export async function indexFolder(folder: string, options: IndexFolderOptions): Promise<IndexedFolder> {
  const { model, onProgress, output, baseUrl, chunkTokens, overlapTokens } = options
  const root = resolve(folder)
  if (!(await stat(root).catch(() => undefined))?.isDirectory()) {
    throw new AlcoveError('not-found', `there is no folder '${folder}'`, {
      hint: 'Name the folder with the documents.',
    })
  }
  const name = options.name ?? basename(await realpath(root))
  const embedder = model === undefined ? undefined : await openNodeEmbedder(model, onProgress)
  const seconds = Number(process.env.SOURCE_DATE_EPOCH ?? 0)
  const clock = { ...systemClock, wallTime: () => (Number.isFinite(seconds) ? seconds * 1000 : 0) }
  const warnings: AlcoveError[] = []
  const host = createCorpusHost({
    store: createMemoryStore(),
    parse: parseDocument,
    embedder: embedder?.model,
    embedderKey: embedder?.key,
    clock,
    onWarning: (error) => void warnings.push(error),
  })
  try {
    const corpus = await host.open(name, { chunkTokens, overlapTokens })
    const paths = (await listFiles(root)).filter((path) => join(root, path) !== output)
    const { result, skipped } = await addFiles(corpus, root, paths, { baseUrl, onProgress })
    const { chunks, pendingVectors } = await corpus.stats()
    if (embedder !== undefined && pendingVectors > 0) {
      throw new AlcoveError('output-invalid', `${pendingVectors} of ${chunks} passages could not be embedded`, {
        cause: warnings[0],
        hint: warnings[0]?.message,
      })
    }
    onProgress('Writing the file …')
    return { file: new Uint8Array(await (await corpus.export()).arrayBuffer()), result, skipped, chunks }
  } finally {
    await host.close()
    await embedder?.model.dispose()
  }
}

/** Paths of all files below a folder, with slashes, in the order of their code units. */
async function listFiles(root: string): Promise<string[]> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true })
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(root, join(entry.parentPath, entry.name)).split(sep).join('/'))
    .filter((path) => !path.split('/').some((part) => part.startsWith('.') || part === 'node_modules'))
    .sort((a, b) => (a < b ? -1 : a > b ? 1 : 0))
}

async function addFiles(
  corpus: PacedCorpus,
  root: string,
  paths: readonly string[],
  { baseUrl, onProgress }: Pick<IndexFolderOptions, 'baseUrl' | 'onProgress'>,
): Promise<{ result: AddResult; skipped: string[] }> {
  const results: AddResult[] = []
  for (let start = 0; start < paths.length; start += addedAtOnce) {
    const batch = paths.slice(start, start + addedAtOnce)
    const inputs = batch.map(async (path) => ({
      id: path,
      data: new File([await readFile(join(root, path))], path),
      ...(baseUrl !== undefined && { url: new URL(encodeURI(path), baseUrl).href }),
    }))
    const run = corpus.add(await Promise.all(inputs))
    for await (const { index, title, chunksDone = 0, chunksTotal } of run) {
      const passages = chunksTotal === undefined ? '' : ` (${chunksDone} of ${chunksTotal} passages)`
      onProgress(`${start + index + 1} of ${paths.length}: ${title}${passages}`)
    }
    results.push(await run)
  }
  const failed = results.flatMap((result) => result.failed)
  const isOther = ({ code }: { readonly code: string }): boolean => code === 'document-unsupported'
  const count = (of: (result: AddResult) => number) => results.reduce((sum, result) => sum + of(result), 0)
  return {
    skipped: failed.filter(isOther).map(({ title }) => title),
    result: {
      ids: results.flatMap(({ ids }) => ids),
      added: count(({ added }) => added),
      updated: count(({ updated }) => updated),
      unchanged: count(({ unchanged }) => unchanged),
      failed: failed.filter((one) => !isOther(one)),
      warnings: results.flatMap(({ warnings = [] }) => warnings),
    },
  }
}

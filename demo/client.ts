import { type Alcove, type AlcoveOptions, type Corpus, createAlcove } from 'alcove'
import { askToConfirm } from './dialogs.js'
import { texts } from './texts.js'

/** The embedding model that the page loads by itself once documents are there. */
export const EMBEDDING_ID = 'transformers:all-MiniLM-L6-v2'

export interface Client {
  readonly alcove: Alcove
  /** The one corpus of this page; opened at the first call, and again after it could not be. */
  corpus(): Promise<Corpus>
}

/**
 * Nothing is fetched unasked by the library. The embedding model is the page's own matter: it loads it by `models.use` once there
 * are documents, unless the person asked to save data or deleted it; any other model is the person's.
 */
const confirmDownload: NonNullable<AlcoveOptions['confirmDownload']> = async ({ id, title, bytes, licence }) =>
  id !== EMBEDDING_ID &&
  askToConfirm({
    title: texts.consent.title(title),
    content: [texts.consent.sentence(bytes, licence)],
    yes: texts.consent.yes,
    no: texts.consent.no,
  })

export function openClient(): Client {
  const alcove = createAlcove({
    model: 'extractive',
    embedder: 'auto',
    modelBaseUrl: './models/',
    maxDownloadBytes: 0,
    confirmDownload,
    storage: { name: 'alcove-demo' },
  })
  let corpus: Promise<Corpus> | undefined
  return {
    alcove,
    corpus() {
      corpus ??= alcove.corpus('documents', { vectors: 'background' }).catch((error: unknown) => {
        corpus = undefined
        throw error
      })
      return corpus
    },
  }
}

/** Whether the person asked the browser to save data: then nothing is fetched unasked. */
export const savesData = (): boolean =>
  (navigator as { connection?: { saveData?: boolean } }).connection?.saveData === true

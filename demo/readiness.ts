import type { Corpus, CorpusStats } from 'alcove'
import type { Documents } from './documents.js'
import { describeError } from './model-picker.js'
import { type Models, QUOTES } from './models.js'
import { texts } from './texts.js'

interface Way {
  readonly label: string
  readonly act: () => void
}

export interface ReadinessOptions {
  readonly corpus: () => Promise<Corpus>
  readonly models: Models
  readonly documents: Documents
  readonly embeddingId: string
  /** The person wants another model than the one that failed. */
  readonly chooseModel: () => void
  /** Whether the embedding model may be fetched unasked. */
  readonly mayLoad: () => boolean
  readonly show: (sentence: string, way?: Way) => void
}

export interface Readiness {
  /** Something has changed: says again what will answer. */
  refresh(): void
  setOpened(opened: 'opening' | 'open' | 'failed', way?: Way): void
  /** Loads the embedding model, once, when it may. */
  loadEmbedding(): Promise<void>
}

const POLL_MS = 700

/** The line under the question: in one or two plain clauses what will answer, and what is getting ready. No wait without a number. */
export function createReadiness(options: ReadinessOptions): Readiness {
  const { models, embeddingId } = options
  const words = texts.readiness
  let opened: 'opening' | 'open' | 'failed' = 'opening'
  let reopen: Way | undefined
  let stats: CorpusStats | undefined
  let polling = false
  let tried = false

  const way: Way = { label: words.retry, act: () => void load() }

  async function load(): Promise<void> {
    tried = true
    await models.use('embedding', embeddingId)
    poll()
  }

  /** Follows the vectors that are made in the background, until there are none left to make. */
  function poll(): void {
    if (polling) return
    polling = true
    setTimeout(async () => {
      polling = false
      stats = await options.corpus().then(
        (corpus) => corpus.stats(),
        () => undefined,
      )
      refresh()
      if (models.isLoaded('embedding') && (stats?.pendingVectors ?? 0) > 0) poll()
    }, POLL_MS)
  }

  function whoAnswers(): string {
    const id = models.chosen()
    if (id === QUOTES) return words.quoting
    return (models.isQuoting(id) ? words.drafting : words.answering)(models.title(id))
  }

  /** Without documents. */
  function whoTalks(): string {
    const id = models.chosen()
    return id === QUOTES ? words.noDocuments : words.talking(models.title(id))
  }

  /** What is behind the first clause: how passages are found, or what is on its way. */
  function getReady(adding: number): { readonly clause: string; readonly way?: Way } {
    const failed = models.loads().find((one) => one.id === embeddingId)?.error
    if (failed)
      return {
        clause: `, ${words.byWords} · ${words.loadFailed(models.title(embeddingId))}. ${describeError(failed)}`,
        way,
      }
    const failedChat = models.loads().find((one) => one.kind === 'chat' && one.error)
    if (failedChat?.error)
      return {
        clause: ` · ${words.loadFailed(models.title(failedChat.id))}. ${describeError(failedChat.error)}`,
        way: { label: texts.chooseModel, act: options.chooseModel },
      }
    if (adding > 0) return { clause: ` · ${words.addingToo(adding)}` }
    if (!models.isLoaded('embedding'))
      return {
        clause: `, ${words.byWords}`,
        ...((tried || !options.mayLoad()) && { way: { ...way, label: words.loadEmbedding } }),
      }
    if (stats && stats.pendingVectors > 0)
      return { clause: ` · ${words.embedding(stats.chunks - stats.pendingVectors, stats.chunks)}` }
    return { clause: `, ${words.byMeaning}` }
  }

  function describeNow(): { readonly sentence: string; readonly way?: Way | undefined } {
    if (opened === 'failed') return { sentence: words.broken, way: reopen }
    if (opened === 'opening') return { sentence: words.starting }
    const rows = options.documents.rows()
    const adding = rows.filter(({ state }) => state !== 'ready' && state !== 'failed').length
    const ready = rows.some(({ state }) => state === 'ready')
    const first = ready ? whoAnswers() : adding > 0 ? words.adding(adding) : whoTalks()
    const loading = models
      .loads()
      .filter((one) => !one.error)
      .map(({ id, status }) => {
        const say = status?.status === 'retrying' ? words.waiting : words.loading
        return say(models.title(id), status?.loadedBytes, status?.totalBytes)
      })
    if (loading.length > 0) return { sentence: [first, ...loading].join(' · ') }
    if (!ready) return { sentence: first }
    const rest = getReady(adding)
    return { sentence: first + rest.clause, way: rest.way }
  }

  function refresh(): void {
    const { sentence, way: wayOn } = describeNow()
    options.show(sentence, wayOn)
  }

  return {
    refresh,
    setOpened(now, again) {
      opened = now
      reopen = again
      refresh()
    },
    async loadEmbedding() {
      if (!tried && options.mayLoad()) await load()
      else if (models.isLoaded('embedding')) poll()
    },
  }
}

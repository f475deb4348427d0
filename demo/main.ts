import { createAnnouncer } from './announce.js'
import { clearEverything } from './clear.js'
import { type Client, EMBEDDING_ID, openClient, savesData } from './client.js'
import { createComposer, showReadiness } from './composer.js'
import { createConversation } from './conversation.js'
import { openHelp, openPasteDialog } from './dialogs.js'
import { createDocuments } from './documents.js'
import { createDocumentsPanel } from './documents-panel.js'
import { element } from './dom.js'
import { createHero } from './hero.js'
import { createIntake, textDocument } from './intake.js'
import { listenToKeys } from './keys.js'
import { createLayout } from './layout.js'
import { warmMarkdown } from './markdown.js'
import { createModelPicker } from './model-picker.js'
import { createModels, QUOTES } from './models.js'
import { serveOffline } from './offline.js'
import { createReadiness } from './readiness.js'
import { fetchSamples } from './samples.js'
import { createSheet } from './sheet.js'
import { createSourceOpener } from './source-opener.js'
import { openState } from './state.js'
import { texts } from './texts.js'
import { createUsage, type UsageNumbers } from './usage.js'

const INSTRUCTIONS = 'Be short. Answer in the language of the question.'
const DOCUMENT_INSTRUCTIONS = 'Answer from the documents. When the documents do not say, say that they do not.'

/** How long a question waits for documents that are just being read, in milliseconds. */
const READING_PATIENCE_MS = 8000

const state = openState()
const announcer = createAnnouncer()
const { promise: opened, resolve: resolveOpened } = Promise.withResolvers<Client>()
/** Resolves when what was kept has been listed and, on the first visit, the samples are on their way in. */
const { promise: listed, resolve: resolveListed } = Promise.withResolvers<void>()
const corpus = async () => (await opened).corpus()

const documents = createDocuments({
  corpus,
  onChange: showDocuments,
  onReady(row) {
    announcer.say(texts.documents.ready(row.title))
    usage.refresh()
    void readiness.loadEmbedding()
  },
  onFailed: (row) => announcer.say(texts.documents.failed(row.title)),
})
const models = createModels({
  alcove: async () => (await opened).alcove,
  chosen: state.current.model,
  titles: { [EMBEDDING_ID]: 'MiniLM' },
  quotesTitle: texts.models.quotes,
  onChange: showModels,
  onChosen: (model) => state.set({ model }),
  onEmbedding: (findByMeaning) => state.set({ findByMeaning }),
})
const picker = createModelPicker({ models, announcer })
const conversation = createConversation({
  state,
  announcer,
  async agent(signal) {
    const { alcove } = await opened
    await listed
    await documents.settled(READING_PATIENCE_MS, signal)
    return hasDocuments()
      ? alcove.agent({ instructions: `${DOCUMENT_INSTRUCTIONS} ${INSTRUCTIONS}`, corpus: await corpus() })
      : alcove.agent({ instructions: INSTRUCTIONS })
  },
  modelId: () => models.chosen(),
  isQuoting: (id) => hasDocuments() && models.isQuoting(id),
  nameModel: (id) => models.title(id),
  openSource: (turn, place, opener) => sources.openCitation(turn, place, opener),
  chooseModel: picker.open,
  edit: (turn) => composer.edit(turn),
  onChange: showConversation,
})
const composer = createComposer({
  draft: state.current.draft,
  onDraft: (draft) => state.set({ draft }),
  onAsk: (question, replacing) => conversation.ask(question, replacing),
  onStop: () => void conversation.stop(),
  onAttach: () => intake.chooseFiles(),
  onDocuments: (inputs) =>
    documents.add(inputs.map((input) => (typeof input === 'string' ? textDocument(input) : input))),
  onRecall() {
    const last = conversation.turns().at(-1)
    if (last) composer.edit(last)
  },
  onHelp: openHelp,
})
const layout = createLayout({
  onDocuments: () => documentsSheet.open(),
  onModels: picker.open,
  onNewConversation() {
    sources.close()
    conversation.clear()
    announcer.say(texts.menu.cleared)
    composer.focus()
  },
  onExport: () => conversation.exportFile(),
  onExamples: () => void showExamples(),
  onHelp: openHelp,
})
const panel = createDocumentsPanel({
  onChoose: () => intake.chooseFiles(),
  onChooseFolder: () => intake.chooseFolder(),
  onPaste: () => openPasteDialog((text, name) => documents.add([textDocument(text, name)])),
  async onRemove(row) {
    const removed = await documents.remove(row.key).then(
      () => true,
      () => false,
    )
    if (!removed) panel.showNote(texts.documents.notRemoved(row.title))
    announcer.say((removed ? texts.documents.removed : texts.documents.notRemoved)(row.title))
    usage.refresh()
  },
  onRetry: (row) => documents.retry(row.key),
  onOpen(row, opener) {
    documentsSheet.close()
    if (row.id !== undefined) sources.openDocument(row.id, row.title, opener)
  },
  onClearAll: () => void clearAll(),
  onClose: closeDocuments,
})
const intake = createIntake({
  onDocuments(inputs) {
    documents.add(inputs)
    panel.showNote(undefined)
  },
  onSkipped: (count) => panel.showNote(texts.documents.skipped(count)),
})
const hero = createHero({
  onExample: (question) => conversation.ask(question),
  onAddSamples: () => void addSamples(),
})
const usage = createUsage({ alcove: async () => (await opened).alcove, show: showUsage })
const readiness = createReadiness({
  corpus,
  models,
  documents,
  embeddingId: EMBEDDING_ID,
  chooseModel: picker.open,
  mayLoad: () => state.current.findByMeaning && !savesData(),
  show: (sentence, way) => showReadiness(composer.line, sentence, way),
})
const sources = createSourceOpener({
  load: async (id) => (await corpus()).get(id),
  markOpen: conversation.markOpen,
  fallbackFocus: composer.focus,
  backdrop: layout.backdrop,
  rest: [layout.header, layout.main, panel.root],
})
const documentsSheet = createSheet({
  panel: panel.root,
  backdrop: layout.backdrop,
  rest: [layout.header, layout.main],
  onClose: closeDocuments,
})

function hasDocuments(): boolean {
  return documents.rows().some((row) => row.state !== 'failed')
}

function closeDocuments(): void {
  if (!documentsSheet.isOpen) return
  documentsSheet.close()
  layout.documentsButton.focus()
}

function showDocuments(): void {
  const rows = documents.rows()
  panel.show(rows)
  layout.setDocumentCount(rows.filter((row) => row.state === 'ready').length)
  hero.setSamples(!state.current.samplesOffered || rows.some((row) => row.sample))
  readiness.refresh()
}

function showModels(): void {
  layout.setModel(models.title(models.chosen()))
  picker.show()
  readiness.refresh()
  // A model that came or went has changed what is kept; one on its way changes it all the time.
  if (models.loads().every(({ error }) => error)) usage.refresh()
}

function showConversation({ running, empty }: { readonly running: boolean; readonly empty: boolean }): void {
  composer.setRunning(running)
  hero.root.hidden = !empty
  layout.setConversation(empty)
  if (!running) usage.refresh()
}

function showUsage(numbers: UsageNumbers | undefined): void {
  panel.showUsage(numbers)
  if (!state.keeps || numbers?.isKept === false) panel.showNote(texts.documents.notKept)
}

async function addSamples(): Promise<void> {
  const samples = await fetchSamples()
  if (samples.length > 0) state.set({ samplesOffered: true })
  documents.add(samples)
}

async function clearAll(): Promise<void> {
  const { alcove } = await opened
  const done = await clearEverything({ alcove, conversation, documents, models, usage: usage.latest(), announcer })
  if (!done) return
  sources.close()
  state.clear()
  composer.clear()
  showDocuments()
  usage.refresh()
  composer.focus()
}

/** The examples, and what they need, are loaded when they are asked for. */
async function showExamples(): Promise<void> {
  const { alcove } = await opened
  const loaded = await import('./examples-dialog.js').catch(() => undefined)
  const chosen = models.chosen()
  const modelTitle = chosen === QUOTES ? undefined : models.title(chosen)
  if (loaded) loaded.openExamples({ alcove, modelTitle, announcer })
  else announcer.say(texts.showcase.failed)
}

async function openDocuments(): Promise<void> {
  readiness.setOpened('opening')
  try {
    await documents.refresh()
    readiness.setOpened('open')
    if (!state.current.samplesOffered) await addSamples()
    else if (documents.rows().length > 0) void readiness.loadEmbedding()
  } catch {
    readiness.setOpened('failed', { label: texts.readiness.retry, act: () => void openDocuments() })
  }
  resolveListed()
  usage.refresh()
}

/** Safari has no idle callbacks yet. */
function whenIdle(act: () => void): void {
  if ('requestIdleCallback' in window) requestIdleCallback(act)
  else setTimeout(act, 500)
}

async function start(): Promise<void> {
  layout.scroller.append(hero.root, conversation.root)
  layout.main.append(composer.root)
  document.body.append(
    layout.header,
    element('div', { class: 'columns' }, panel.root, layout.main, sources.root),
    layout.backdrop,
    ...[picker.root, intake.root, announcer.region],
  )
  showModels()
  showDocuments()
  showConversation({ running: false, empty: conversation.turns().length === 0 })
  listenToKeys({ conversation, composer, documentsSheet, closeDocuments, sources })
  composer.focus()
  if (conversation.turns().length > 0) layout.scroller.scrollTop = layout.scroller.scrollHeight
  await serveOffline()
  resolveOpened(openClient())
  await openDocuments()
  whenIdle(warmMarkdown)
}

void start()

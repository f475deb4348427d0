import type { ModelListing } from 'alcove'
import type { Announcer } from './announce.js'
import { openDialog } from './dialogs.js'
import { button, element, icon, replaceChildren, setText } from './dom.js'
import { type ModelLoad, type Models, QUOTES } from './models.js'
import { texts } from './texts.js'

export interface ModelPickerOptions {
  readonly models: Models
  readonly announcer: Announcer
}

export interface ModelPicker {
  readonly root: HTMLDialogElement
  open(): void
  /** Something about the models has changed. */
  show(): void
}

interface RowView {
  readonly root: HTMLElement
  shape: string
}

/** The dialog in which a person chooses what answers, with what it costs before their eyes. */
export function createModelPicker({ models, announcer }: ModelPickerOptions): ModelPicker {
  const body = element('div', { class: 'models' })
  const root = element(
    'dialog',
    { class: 'dialog dialog--wide', 'aria-labelledby': 'models-title' },
    element(
      'header',
      { class: 'dialog__header' },
      element('h2', { id: 'models-title' }, texts.models.title),
      button({ label: texts.models.close, icon: 'close', iconOnly: true, onclick: () => root.close() }),
    ),
    element('p', { class: 'dialog__sentence' }, texts.models.sentence),
    body,
  )
  const views = new Map<string, RowView>()

  async function take(row: ModelListing): Promise<void> {
    announcer.say(texts.models.loadingStarted(row.title))
    const taken = await models.use(row.kind, row.id)
    const failed = models.loads().find((load) => load.id === row.id)?.error
    announcer.say(
      taken ? texts.models.ready(row.title) : failed ? describeError(failed) : texts.models.cancelled(row.title),
    )
  }

  function viewOf(row: ModelListing): HTMLElement {
    const load = models.loads().find((one) => one.id === row.id)
    const inUse = row.kind === 'chat' ? models.chosen() === row.id : row.loaded || row.chosenFor.includes('embedding')
    const shape = JSON.stringify([
      row.state,
      row.bytes,
      keptBytes(row),
      row.refused,
      inUse,
      load && !load.error,
      load?.error,
    ])
    let view = views.get(row.id)
    if (!view) {
      view = { root: element('li', { class: 'model' }), shape: '' }
      views.set(row.id, view)
    }
    if (view.shape !== shape) {
      const focused = view.root.contains(document.activeElement)
      view.shape = shape
      fillRow(view.root, row, { load, inUse, take: () => void take(row), models })
      if (focused) (view.root.querySelector<HTMLElement>('.model__actions button:not([disabled])') ?? root).focus()
    }
    if (load && !load.error) updateProgress(view.root, load, row.bytes)
    return view.root
  }

  function section(title: string, rows: readonly ModelListing[]): HTMLElement[] {
    if (rows.length === 0) return []
    const id = `models-${title.replace(/\W+/g, '-').toLowerCase()}`
    const known = body.querySelector<HTMLElement>(`#${id}`)
    const list = known?.querySelector('ul') ?? element('ul')
    replaceChildren(list, rows.map(viewOf))
    return [known ?? element('section', { id, 'aria-label': title }, element('h3', {}, title), list)]
  }

  function show(): void {
    if (!root.open) return
    const rows = models.rows()
    if (!rows) {
      const failed = models.listError()
      const line = failed
        ? element(
            'p',
            { class: 'error-line' },
            element('span', {}, texts.models.listFailed),
            button({ label: texts.models.retry, class: 'button button--small', onclick: () => void models.list() }),
          )
        : element('p', { class: 'status-line' }, texts.models.looking)
      body.replaceChildren(line)
      return
    }
    const loads = new Set(models.loads().map((load) => load.id))
    // A model whose load was cut off stays where the person started it, with its way on.
    const usable = rows.filter((row) => row.state !== 'unavailable' || loads.has(row.id) || isOutOfReach(row))
    const chat = usable
      .filter((row) => row.kind === 'chat')
      .sort((one, other) => Number(other.id === QUOTES) - Number(one.id === QUOTES))
    replaceChildren(body, [
      ...section(texts.models.forAnswers, chat),
      ...section(
        texts.models.forSearch,
        usable.filter((row) => row.kind === 'embedding'),
      ),
      ...section(
        texts.models.notHere,
        rows.filter((row) => !usable.includes(row)),
      ),
    ])
  }

  window.addEventListener('online', () => {
    if (root.open) void models.list()
  })

  return {
    root,
    open() {
      openDialog(root)
      show()
      void models.list()
    },
    show,
  }
}

export const describeError = (error: NonNullable<ModelLoad['error']>): string =>
  texts.modelErrors[error.code] ?? texts.errorUnknown(error.message, error.hint)

interface RowState {
  readonly load: ModelLoad | undefined
  readonly inUse: boolean
  readonly take: () => void
  readonly models: Models
}

/** It would run here, but its files cannot be had now. */
const isOutOfReach = (row: ModelListing): boolean => row.refused?.code === 'network'

/** Less is a file that every list reads. */
const LEAST_KEPT_BYTES = 1_000_000
/** Bytes of a download that was broken off. */
const keptBytes = ({ state, storedBytes = 0 }: ModelListing): number =>
  state !== 'available' && storedBytes >= LEAST_KEPT_BYTES ? storedBytes : 0

function facts(row: ModelListing): string {
  const { models } = texts
  const { bytes } = row
  const kept = keptBytes(row)
  const download =
    row.id === QUOTES
      ? models.noDownload
      : bytes === undefined
        ? undefined
        : bytes === 0
          ? models.stored
          : kept > 0
            ? // Where no server tells what is left, the length is that of the whole.
              models.partlyHere(kept, row.state === 'unavailable' ? bytes : bytes + kept)
            : models.toDownload(bytes)
  return [
    download,
    row.memoryBytes !== undefined && models.memory(row.memoryBytes),
    models.runsOn[row.runsOn],
    row.licence,
    row.kind === 'chat' && row.id !== QUOTES && (row.trust === 'draft' ? models.draft : models.trusted),
  ]
    .filter(Boolean)
    .join(' · ')
}

function fillRow(root: HTMLElement, row: ModelListing, { load, inUse, take, models }: RowState): void {
  const { models: words } = texts
  const title = row.id === QUOTES ? words.quotes : row.title
  const goodFor = row.id === QUOTES ? words.quotesGoodFor : row.goodFor
  const loading = load !== undefined && !load.error
  const label = row.bytes === 0 ? words.use : words.download(row.bytes)
  const action = (name: string, act: () => void, style = 'button button--small'): HTMLElement =>
    button({ label: name, describedAs: words.named(name, title), class: style, onclick: act })
  const actions: Node[] = []
  if (loading) actions.push(action(words.cancel, () => models.cancel(row.id)))
  else if (inUse) actions.push(element('span', { class: 'model__in-use' }, icon('check'), words.inUse))
  else if (isOutOfReach(row) && !load) actions.push(action(words.retry, () => void models.list()))
  else if (row.state !== 'unavailable' || load)
    actions.push(action(load?.error ? words.retry : label, take, 'button button--small button--primary'))
  if (!loading && (row.bytes === 0 || keptBytes(row) > 0) && row.id !== QUOTES)
    actions.push(action(words.remove, () => void models.remove(row.id), 'button button--small button--quiet'))
  root.classList.toggle('model--in-use', inUse)
  root.classList.toggle('model--refused', row.state === 'unavailable' && !load && !isOutOfReach(row))
  root.replaceChildren(
    element(
      'div',
      { class: 'model__text' },
      element('h4', {}, title),
      goodFor !== '' && element('p', {}, goodFor),
      element('p', { class: 'model__facts' }, facts(row)),
      row.refused &&
        !load &&
        element('p', { class: 'model__refused' }, isOutOfReach(row) ? words.outOfReach : row.refused.reason),
    ),
    element('div', { class: 'model__actions' }, ...actions),
    ...(loading
      ? [
          element(
            'div',
            { class: 'model__progress' },
            element('progress', { max: 1, 'aria-label': texts.models.loadingStarted(title) }),
            element('p', { class: 'model__numbers' }),
          ),
        ]
      : []),
    ...(load?.error
      ? [
          element(
            'p',
            { class: 'error-line model__error', role: 'alert', 'data-code': load.error.code },
            icon('warning'),
            describeError(load.error),
          ),
        ]
      : []),
  )
}

function updateProgress(root: HTMLElement, { status }: ModelLoad, bytes: number | undefined): void {
  const bar = root.querySelector('progress')
  const numbers = root.querySelector('.model__numbers')
  if (!bar || !numbers) return
  if (status?.totalBytes) {
    bar.max = status.totalBytes
    bar.value = status.loadedBytes ?? 0
  }
  setText(numbers, describeLoad(status, bytes))
}

/** `12 of 98 MB · 3.1 MB/s · about 28 s left`. */
function describeLoad(status: ModelLoad['status'], bytes: number | undefined): string {
  if (status?.status === 'retrying')
    return [texts.models.progress(status.loadedBytes ?? 0, status.totalBytes), status.message].join(' · ')
  if (!status || status.loadedBytes === undefined)
    return bytes ? texts.models.progress(0, bytes) : texts.models.starting
  const whole = status.totalBytes !== undefined && status.loadedBytes >= status.totalBytes
  return [
    texts.models.progress(status.loadedBytes, status.totalBytes),
    whole ? texts.models.starting : status.bytesPerSecond !== undefined && texts.models.rate(status.bytesPerSecond),
    !whole && status.secondsLeft !== undefined && texts.models.left(status.secondsLeft),
  ]
    .filter(Boolean)
    .join(' · ')
}

import type { DocumentRow } from './documents.js'
import { button, element, icon, replaceChildren, setText } from './dom.js'
import { formatBytes } from './format.js'
import { texts } from './texts.js'

export interface DocumentsPanelOptions {
  readonly onChoose: () => void
  readonly onChooseFolder: () => void
  readonly onPaste: () => void
  readonly onRemove: (row: DocumentRow) => void
  readonly onRetry: (row: DocumentRow) => void
  readonly onOpen: (row: DocumentRow, opener: HTMLElement) => void
  readonly onClearAll: () => void
  readonly onClose: () => void
}

export interface DocumentsPanel {
  readonly root: HTMLElement
  show(rows: readonly DocumentRow[]): void
  /** Bytes by kind, as `alcove.storage.usage()` tells them. */
  showUsage(usage: { readonly total: number; readonly kinds: readonly (readonly [string, number])[] } | undefined): void
  /** One line at the top of the list; none for undefined. */
  showNote(text: string | undefined): void
}

interface RowView {
  readonly root: HTMLElement
  row: DocumentRow
}

/** The left side: what has been added, how far it is, and how much is kept here. */
export function createDocumentsPanel(options: DocumentsPanelOptions): DocumentsPanel {
  const list = element('ul', { class: 'documents__list' })
  const empty = element('p', { class: 'documents__empty' }, texts.documents.empty)
  const note = element('p', { class: 'note note--warning', hidden: true })
  const usage = element('details', { class: 'usage' }, element('summary'), element('dl'))
  const close = button({
    label: texts.documents.close,
    icon: 'close',
    iconOnly: true,
    class: 'button button--icon sheet-only',
    onclick: options.onClose,
  })
  const root = element(
    'aside',
    { class: 'documents', id: 'documents', 'aria-labelledby': 'documents-title', tabindex: '-1' },
    element(
      'header',
      { class: 'panel__header' },
      element('h2', { id: 'documents-title' }, texts.documents.title),
      close,
    ),
    element(
      'div',
      { class: 'documents__add' },
      element(
        'button',
        { type: 'button', class: 'add-button', onclick: options.onChoose },
        icon('add'),
        element('span', {}, texts.documents.choose, element('small', {}, texts.documents.chooseHint)),
      ),
      button({
        label: texts.documents.folder,
        icon: 'folder',
        class: 'button button--quiet',
        onclick: options.onChooseFolder,
      }),
      button({ label: texts.documents.paste, icon: 'paste', class: 'button button--quiet', onclick: options.onPaste }),
    ),
    element('div', { class: 'documents__scroll' }, note, empty, list),
    element(
      'footer',
      { class: 'documents__footer' },
      usage,
      button({
        label: texts.documents.clear,
        class: 'button button--quiet',
        onclick: options.onClearAll,
      }),
    ),
  )
  const views = new Map<string, RowView>()

  function viewOf(row: DocumentRow): RowView {
    const known = views.get(row.key)
    if (!known) {
      const made = { root: element('li', { class: 'document', tabindex: '-1' }), row }
      views.set(row.key, made)
      fillRow(made.root, row, options)
      return made
    }
    if (known.row !== row) {
      if (!updateProgress(known, row)) fillRow(known.root, row, options)
      known.row = row
    }
    return known
  }

  return {
    root,
    show(rows) {
      empty.hidden = rows.length > 0
      const focused = [...list.children].findIndex((row) => row.contains(document.activeElement))
      replaceChildren(
        list,
        rows.map((row) => viewOf(row).root),
      )
      const keys = new Set(rows.map((row) => row.key))
      for (const key of views.keys()) if (!keys.has(key)) views.delete(key)
      if (focused !== -1 && document.activeElement === document.body) keepFocus(list, focused, root)
    },
    showUsage(now) {
      const summary = usage.querySelector('summary')
      const kinds = usage.querySelector('dl')
      if (!summary || !kinds) return
      usage.hidden = now === undefined
      if (!now) return
      setText(summary, texts.documents.usage(now.total))
      kinds.replaceChildren(
        ...now.kinds.flatMap(([kind, bytes]) => [element('dt', {}, kind), element('dd', {}, formatBytes(bytes))]),
      )
    },
    showNote(text) {
      note.hidden = text === undefined
      setText(note, text ?? '')
    },
  }
}

/** The row with the focus went away: its neighbour gets it, so that a keyboard user stays in place. */
function keepFocus(list: HTMLElement, index: number, root: HTMLElement): void {
  const next = list.children[Math.min(index, list.children.length - 1)]
  const target = next?.querySelector('button') ?? root
  ;(target as HTMLElement).focus()
}

/** Moves the bar and the number where nothing else has changed. False when the row must be made anew. */
function updateProgress({ root, row: before }: RowView, row: DocumentRow): boolean {
  const bar = root.querySelector('progress')
  const state = root.querySelector('.document__state')
  if (before.state !== row.state || before.title !== row.title || before.pages !== row.pages || !state) return false
  if ((before.total === undefined) !== (row.total === undefined)) return false
  setText(state, describeState(row))
  if (bar && row.total !== undefined) {
    bar.max = Math.max(1, row.total)
    bar.value = row.done ?? 0
  }
  return true
}

function describeState(row: DocumentRow): string {
  const { documents } = texts
  if (row.state === 'waiting') return documents.waiting
  if (row.state === 'failed')
    return row.error
      ? (texts.documentErrors[row.error.code] ?? texts.errorUnknown(row.error.message, row.error.hint))
      : ''
  const pages = row.pages === undefined ? undefined : documents.pages(row.pages)
  if (row.state !== 'ready') {
    const step = row.total === undefined ? documents.reading : documents.chunks(row.done ?? 0, row.total)
    return [step, pages].filter(Boolean).join(' · ')
  }
  return [row.sample && documents.sample, pages, row.chunks !== undefined && documents.passages(row.chunks)]
    .filter(Boolean)
    .join(' · ')
}

function fillRow(root: HTMLElement, row: DocumentRow, options: DocumentsPanelOptions): void {
  const { documents } = texts
  const busy = row.state === 'waiting' || row.state === 'reading' || row.state === 'embedding'
  root.className = `document document--${row.state}`
  const title =
    row.state === 'ready'
      ? element(
          'button',
          {
            type: 'button',
            class: 'document__title',
            'aria-label': documents.open(row.title),
            onclick: (event: MouseEvent) => options.onOpen(row, event.currentTarget as HTMLElement),
          },
          row.title,
        )
      : element('span', { class: 'document__title' }, row.title)
  const bar =
    busy &&
    row.total !== undefined &&
    element('progress', { max: Math.max(1, row.total), value: row.done ?? 0, 'aria-label': row.title })
  const failed = row.state === 'failed'
  root.replaceChildren(
    element(
      'span',
      { class: `document__kind document__kind--${row.kind.toLowerCase()}`, 'aria-hidden': 'true' },
      failed ? icon('warning') : row.kind,
    ),
    element(
      'div',
      { class: 'document__text' },
      title,
      element('span', { class: 'document__state', 'data-code': row.error?.code }, describeState(row)),
      ...(bar ? [bar] : []),
      failed &&
        button({
          label: documents.retry,
          describedAs: `${documents.retry}: ${row.title}`,
          class: 'button button--small',
          onclick: () => options.onRetry(row),
        }),
    ),
    button({
      label: busy ? documents.cancel(row.title) : documents.remove(row.title),
      icon: busy ? 'close' : 'remove',
      iconOnly: true,
      onclick: () => options.onRemove(row),
    }),
  )
}

import { button, element, icon } from './dom.js'
import { arch } from './hero.js'
import { texts } from './texts.js'

export interface LayoutOptions {
  readonly onDocuments: () => void
  readonly onModels: () => void
  readonly onNewConversation: () => void
  readonly onExport: () => void
  readonly onExamples: () => void
  readonly onHelp: () => void
}

export interface Layout {
  readonly header: HTMLElement
  readonly main: HTMLElement
  /** Scrolls: the greeting and the conversation. */
  readonly scroller: HTMLElement
  readonly backdrop: HTMLElement
  readonly documentsButton: HTMLElement
  readonly modelButton: HTMLElement
  setDocumentCount(count: number): void
  setModel(title: string): void
  setConversation(empty: boolean): void
}

/** The frame of the page: the bar at the top and the middle. The sides and the composer are put in by the spine. */
export function createLayout(options: LayoutOptions): Layout {
  const count = element('span', { class: 'count', 'aria-hidden': 'true' }, '0')
  const documentsButton = element(
    'button',
    { type: 'button', class: 'button sheet-only', 'aria-controls': 'documents', onclick: options.onDocuments },
    icon('document'),
    count,
  )
  const modelName = element('span', { class: 'model-button__name' })
  const modelButton = element(
    'button',
    { type: 'button', class: 'button model-button', 'aria-haspopup': 'dialog', onclick: options.onModels },
    modelName,
    icon('chevron'),
  )
  const item = (label: string, name: Parameters<typeof icon>[0], act: () => void): HTMLButtonElement =>
    button({
      label,
      icon: name,
      class: 'menu__item',
      onclick: () => {
        list.hidePopover()
        act()
      },
    })
  const fresh = item(texts.menu.newConversation, 'edit', options.onNewConversation)
  const save = item(texts.menu.exportConversation, 'export', options.onExport)
  const list = element(
    'div',
    { class: 'menu', id: 'menu', popover: 'auto' },
    fresh,
    save,
    item(texts.menu.examples, 'document', options.onExamples),
    item(texts.menu.help, 'help', options.onHelp),
  )
  const more = element(
    'button',
    {
      type: 'button',
      class: 'button button--icon',
      popovertarget: 'menu',
      'aria-label': texts.menu.label,
      title: texts.menu.label,
    },
    icon('menu'),
  )
  const skip = element('a', { class: 'skip', href: '#question' }, texts.skipToQuestion)
  const header = element(
    'header',
    { class: 'topbar' },
    skip,
    documentsButton,
    element('h1', { class: 'brand' }, arch(), element('span', {}, texts.name)),
    modelButton,
    more,
    list,
  )
  const scroller = element('div', { class: 'scroller' })
  return {
    header,
    main: element('main', { class: 'middle', id: 'middle' }, scroller),
    scroller,
    backdrop: element('div', { class: 'backdrop', hidden: true }),
    documentsButton,
    modelButton,
    setDocumentCount(documents) {
      count.textContent = String(documents)
      documentsButton.setAttribute('aria-label', `${texts.documents.title}: ${texts.documents.count(documents)}`)
    },
    setModel(title) {
      modelName.textContent = title
      modelButton.setAttribute('aria-label', texts.models.button(title))
    },
    setConversation(empty) {
      fresh.disabled = empty
      save.disabled = empty
    },
  }
}

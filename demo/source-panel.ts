import type { Citation, StoredDocument } from 'alcove'
import { button, element, icon, scrollWithin } from './dom.js'
import { texts } from './texts.js'

export interface SourcePanelOptions {
  readonly load: (id: string) => Promise<StoredDocument | undefined>
  readonly onClose: () => void
  /** Another citation of the same answer is shown now, by its place; undefined when a document was opened by itself. */
  readonly onShow: (place: number | undefined) => void
}

export interface SourcePanel {
  readonly root: HTMLElement
  /** Shows one citation of an answer's list, at its passage. */
  openCitation(citations: readonly Citation[], place: number): Promise<void>
  /** Shows a whole document from its start. */
  openDocument(id: string, title: string): Promise<void>
  readonly open: boolean
  close(): void
}

/** How much text stands around the passage at first, in letters: a long book must not slow the page. */
const WINDOW_LETTERS = 6000

/** The right side: the document that an answer comes from, at the passage. */
export function createSourcePanel(options: SourcePanelOptions): SourcePanel {
  const heading = element('h2', { id: 'source-title', class: 'source__title' })
  const place = element('p', { class: 'source__place' })
  const proof = element('p', { class: 'source__proof' })
  const text = element('div', {
    class: 'source__text',
    tabindex: '0',
    role: 'region',
    'aria-labelledby': 'source-title',
  })
  const steps = element('div', { class: 'source__steps' })
  const back = button({
    label: texts.source.back,
    icon: 'back',
    class: 'button button--quiet source__back',
    onclick: options.onClose,
  })
  const root = element(
    'aside',
    { class: 'source', id: 'source', 'aria-labelledby': 'source-title', tabindex: '-1', hidden: true },
    element(
      'header',
      { class: 'source__header' },
      element('div', { class: 'source__bar' }, back, steps),
      heading,
      place,
      proof,
    ),
    text,
  )
  let shown = 0

  async function show(id: string, title: string, citation: Citation | undefined): Promise<void> {
    const request = ++shown
    root.hidden = false
    heading.textContent = title
    place.replaceChildren(...describePlace(citation))
    proof.replaceChildren(...describeProof(citation))
    let stored: StoredDocument | undefined
    try {
      stored = await options.load(id)
    } catch {
      if (request === shown) text.replaceChildren(failure(() => void show(id, title, citation)))
      return
    }
    if (request !== shown) return
    if (stored && citation) place.replaceChildren(...describePlace(citation, stored))
    if (stored) showText(text, stored, citation)
    else text.replaceChildren(...gone(citation))
  }

  function showSteps(citations: readonly Citation[], position: number): void {
    const step = (label: string, by: number): HTMLElement => {
      const target = citations[position + by]
      return button({
        label,
        icon: 'chevron',
        iconOnly: true,
        class: `button button--icon ${by < 0 ? 'turn-up' : ''}`,
        disabled: target === undefined,
        onclick: () => target && void openCitation(citations, position + by, by),
      })
    }
    steps.replaceChildren(
      ...(citations.length < 2
        ? []
        : [
            element('span', {}, texts.source.place(position + 1, citations.length)),
            step(texts.source.previous, -1),
            step(texts.source.next, 1),
          ]),
    )
  }

  async function openCitation(citations: readonly Citation[], position: number, from = 0): Promise<void> {
    const citation = citations[position]
    if (!citation) return
    showSteps(citations, position)
    // A step button that was pressed is made anew: the focus goes on with it.
    if (from !== 0) (steps.querySelectorAll('button')[from < 0 ? 0 : 1] ?? back).focus()
    options.onShow(position)
    await show(citation.source.id, citation.source.title, citation)
  }

  return {
    root,
    get open() {
      return !root.hidden
    },
    openCitation,
    async openDocument(id, title) {
      showSteps([], 0)
      options.onShow(undefined)
      await show(id, title, undefined)
    },
    close() {
      shown++
      root.hidden = true
      text.replaceChildren()
    },
  }
}

function describePlace(citation: Citation | undefined, stored?: StoredDocument): Node[] {
  if (!citation) return []
  const { page, url, title } = citation.source
  const headings = citation.source.headings.filter((heading) => heading !== title)
  const parts = [
    page === undefined ? undefined : texts.source.page(page, stored?.pages),
    headings.join(' › ') || undefined,
  ]
  const line: Node[] = [document.createTextNode(parts.filter(Boolean).join(' · '))]
  if (url !== undefined && /^https?:/i.test(url)) {
    line.push(element('a', { href: url, target: '_blank', rel: 'noopener noreferrer' }, texts.source.link))
  }
  return line
}

function describeProof(citation: Citation | undefined): Node[] {
  if (!citation) return []
  const words = citation.verified ? texts.source.verified : texts.source.unverified
  return [
    element(
      'span',
      { class: citation.verified ? 'proof' : 'proof proof--doubt' },
      icon(citation.verified ? 'verified' : 'warning'),
      words,
    ),
  ]
}

const failure = (retry: () => void): HTMLElement =>
  element(
    'p',
    { class: 'error-line' },
    icon('warning'),
    element('span', {}, texts.source.failed),
    button({ label: texts.source.retry, class: 'button button--small', onclick: retry }),
  )

const gone = (citation: Citation | undefined): Node[] => [
  element('p', { class: 'note' }, texts.source.gone),
  ...(citation ? [element('blockquote', {}, citation.quote)] : []),
]

/** Shows the text around the passage and scrolls to it. More is put in where the person asks for it, and nothing moves. */
function showText(root: HTMLElement, stored: StoredDocument, citation: Citation | undefined): void {
  const { text } = stored
  const [start, end] = citation?.span ?? [0, 0]
  let from = lineStart(text, start - WINDOW_LETTERS)
  let to = lineEnd(text, end + WINDOW_LETTERS)
  const mark = element('mark', { class: 'passage', id: 'passage' }, text.slice(start, end))
  mark.setAttribute('aria-label', texts.source.highlighted)
  const before = document.createTextNode(text.slice(from, start))
  const after = document.createTextNode(text.slice(end, to))
  const more = (label: string, act: (self: HTMLElement) => void): HTMLElement =>
    button({
      label,
      class: 'button button--small source__more',
      onclick: (event) => act(event.currentTarget as HTMLElement),
    })
  const earlier = more(texts.source.before, (self) => {
    const height = root.scrollHeight
    from = lineStart(text, from - 4 * WINDOW_LETTERS)
    before.data = text.slice(from, start)
    self.hidden = from === 0
    root.scrollTop += root.scrollHeight - height
  })
  const later = more(texts.source.after, (self) => {
    to = lineEnd(text, to + 4 * WINDOW_LETTERS)
    after.data = text.slice(end, to)
    self.hidden = to === text.length
  })
  earlier.hidden = from === 0
  later.hidden = to === text.length
  const body = element('div', { class: 'source__body' }, before)
  if (citation) body.append(mark)
  body.append(after)
  root.replaceChildren(earlier, body, later)
  if (citation) scrollWithin(root, mark, 'center')
  else root.scrollTop = 0
}

const lineStart = (text: string, at: number): number => (at <= 0 ? 0 : text.lastIndexOf('\n', at) + 1)

function lineEnd(text: string, at: number): number {
  if (at >= text.length) return text.length
  const next = text.indexOf('\n', at)
  return next === -1 ? text.length : next
}

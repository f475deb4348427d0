import { createAnswerText } from './answer-text.js'
import { button, element, icon, setText } from './dom.js'
import { createSourceList } from './source-list.js'
import { texts } from './texts.js'
import { createToolView } from './tool-view.js'
import type { Turn } from './turn.js'

export interface TurnActions {
  readonly openSource: (turn: Turn, place: number, opener: HTMLElement) => void
  readonly copy: (turn: Turn, opener: HTMLElement) => void
  readonly again: (turn: Turn) => void
  readonly edit: (turn: Turn) => void
  readonly chooseModel: () => void
  /** A model's name for a person. */
  readonly nameModel: (id: string) => string
}

export interface TurnView {
  readonly root: HTMLElement
  /** Shows the turn as it is now. */
  show(turn: Turn): void
  /** One calm line while there is nothing else to show. */
  showStatus(text: string): void
  /** Marks the number whose source is open, by its place in the list of citations. */
  markOpen(place: number | undefined): void
}

/** Errors after which another model is the way on, rather than the same again. */
const MODEL_ERRORS = new Set([
  'out-of-memory',
  'model-not-found',
  'webgpu-unavailable',
  'download-refused',
  'model-load-failed',
])

export function createTurnView(first: Turn, actions: TurnActions): TurnView {
  let turn = first
  const heading = element(
    'h2',
    { class: 'question' },
    element('span', { class: 'visually-hidden' }, `${texts.answer.you}: `),
  )
  heading.append(first.question)
  const edit = button({ label: texts.answer.edit, icon: 'edit', iconOnly: true, onclick: () => actions.edit(turn) })
  const status = element('p', { class: 'status-line' })
  const reasoning = element(
    'details',
    { class: 'folded', hidden: true },
    element('summary', {}, texts.answer.reasoning),
  )
  const reasoningText = element('p')
  reasoning.append(reasoningText)
  const tools = createToolView()
  const body = createAnswerText({ cite, doubt, nameModel: actions.nameModel })
  const notes = element('div', { class: 'notes' })
  const sources = createSourceList((place, opener) => actions.openSource(turn, place, opener))
  const footer = element('div', { class: 'answer__actions' })
  const answer = element(
    'section',
    { class: 'answer', 'aria-label': texts.answer.region(first.question) },
    ...[reasoning, tools.root, body.root, status, notes, sources.root, footer],
  )
  const root = element(
    'article',
    { class: 'turn', 'data-turn': first.id },
    element('header', { class: 'turn__question' }, heading, edit),
    answer,
  )

  function cite(place: number): Node {
    const found = turn.citations[place]
    if (!found) return document.createTextNode('')
    const number = element(
      'button',
      {
        type: 'button',
        class: 'cite',
        'data-cite': place,
        'aria-label': texts.answer.citation(found.index, found.source.title, found.source.page),
        onclick: (event: MouseEvent) => actions.openSource(turn, place, event.currentTarget as HTMLElement),
      },
      String(found.index),
    )
    return element('sup', {}, number)
  }

  function showNotes(): void {
    const doubts = turn.claims.filter((claim) => !claim.supported).length
    const lines = [
      ...turn.notes,
      ...(doubts > 0 ? [texts.answer.doubtSummary(doubts)] : []),
      ...(turn.isCut ? [texts.answer.cut] : []),
    ]
    const rows: Node[] = lines.map((line) => element('p', { class: 'note' }, line))
    if (turn.state === 'stopped')
      rows.push(element('p', { class: 'note' }, turn.segments.length > 0 ? texts.answer.stopped : texts.answer.nothing))
    if (turn.state === 'failed') rows.push(errorLine(turn, actions))
    notes.replaceChildren(...rows)
  }

  function showFooter(): void {
    const done = turn.state !== 'running'
    edit.hidden = !done
    if (!done) footer.replaceChildren()
    if (!done || footer.childElementCount > 0) return
    footer.append(
      button({
        label: texts.answer.copy,
        icon: 'copy',
        class: 'button button--quiet',
        onclick: (event) => actions.copy(turn, event.currentTarget as HTMLElement),
      }),
      button({
        label: texts.answer.again,
        icon: 'retry',
        class: 'button button--quiet',
        onclick: () => actions.again(turn),
      }),
    )
  }

  return {
    root,
    show(next) {
      turn = next
      reasoning.hidden = turn.reasoning === ''
      setText(reasoningText, turn.reasoning)
      tools.show(turn.tools)
      body.show(turn)
      showNotes()
      sources.show(turn.citations)
      showFooter()
      answer.setAttribute('aria-busy', String(turn.state === 'running'))
      status.hidden = turn.state !== 'running'
    },
    showStatus(text) {
      setText(status, text)
    },
    markOpen(place) {
      for (const number of root.querySelectorAll('[data-cite]')) {
        number.classList.toggle('is-open', number.getAttribute('data-cite') === String(place))
      }
    },
  }
}

/** A stretch of a draft that no document supports. */
const doubt = (text: string): Node =>
  element(
    'mark',
    { class: 'doubt', title: texts.answer.doubt },
    text,
    element('span', { class: 'visually-hidden' }, ` (${texts.answer.doubt})`),
  )

function errorLine(turn: Turn, actions: TurnActions): HTMLElement {
  const error = turn.error
  const sentence = error
    ? (texts.answerErrors[error.code] ?? texts.errorUnknown(error.message, error.hint))
    : texts.answer.nothing
  const other = error !== undefined && MODEL_ERRORS.has(error.code)
  return element(
    'p',
    { class: 'error-line', role: 'alert', 'data-code': error?.code },
    icon('warning'),
    element('span', {}, sentence),
    other
      ? button({ label: texts.chooseModel, class: 'button button--small', onclick: actions.chooseModel })
      : button({ label: texts.answer.again, class: 'button button--small', onclick: () => actions.again(turn) }),
  )
}

import { annotate, type MarkMakers, placeMarks } from './annotate.js'
import { element, setText } from './dom.js'
import { createMarkdownView } from './markdown.js'
import { texts } from './texts.js'
import type { Segment, Turn } from './turn.js'

export interface AnswerTextOptions extends MarkMakers {
  /** A model's name for a person. */
  readonly nameModel: (id: string) => string
}

interface SegmentView {
  readonly kind: 'quotes' | 'answer' | 'draft'
  readonly root: HTMLElement
  show(segment: Segment, turn: Turn): void
}

/** The words of an answer: quotations as quotations, a model's own text as Markdown, and a draft in a frame that says so. */
export function createAnswerText(options: AnswerTextOptions): { readonly root: HTMLElement; show(turn: Turn): void } {
  const root = element('div', { class: 'answer__body' })
  const views: SegmentView[] = []

  function viewOf(segment: Segment, index: number, turn: Turn): SegmentView {
    const kind = segment.draft ? 'draft' : turn.quoting ? 'quotes' : 'answer'
    const known = views[index]
    if (known?.kind === kind) return known
    const made = kind === 'quotes' ? createQuotes(options) : createWritten(kind, options)
    if (known) known.root.replaceWith(made.root)
    else root.append(made.root)
    views[index] = made
    return made
  }

  return {
    root,
    show(turn) {
      for (const [index, segment] of turn.segments.entries()) viewOf(segment, index, turn).show(segment, turn)
    },
  }
}

/**
 * Quotations stand as they are in the document: their stars and hashes are no Markdown. What is not covered by a citation is the
 * answerer's own sentence, such as that it found nothing.
 */
function createQuotes({ cite }: AnswerTextOptions): SegmentView {
  const root = element('div', { class: 'quotes' })
  let shape = ''
  return {
    kind: 'quotes',
    root,
    show(segment, turn) {
      const now = `${segment.text.length}/${turn.citations.length}`
      if (shape === now) return
      shape = now
      const rows: HTMLElement[] = []
      let shown = 0
      const plain = (end: number): void => {
        const words = segment.text.slice(shown, end).trim()
        if (words !== '') rows.push(element('p', { class: 'prose' }, words))
        shown = end
      }
      for (const [place, { answerSpan }] of turn.citations.entries()) {
        const start = (answerSpan?.[0] ?? 0) - segment.start
        const end = (answerSpan?.[1] ?? 0) - segment.start
        if (start < shown || end <= start || end > segment.text.length) continue
        plain(start)
        rows.push(element('blockquote', { class: 'quote' }, segment.text.slice(start, end).trim(), cite(place)))
        shown = end
      }
      plain(segment.text.length)
      root.replaceChildren(...rows)
    },
  }
}

function createWritten(kind: 'answer' | 'draft', options: AnswerTextOptions): SegmentView {
  const view = createMarkdownView((block) => placeMarks(block, options))
  const name = element('strong')
  const frame = (): HTMLElement =>
    element(
      'section',
      { class: 'draft' },
      element('p', { class: 'draft__label' }, name, ' ', texts.answer.draftHint),
      view.root,
    )
  return {
    kind,
    root: kind === 'draft' ? frame() : view.root,
    show(segment, turn) {
      setText(name, texts.answer.draftOf(options.nameModel(turn.modelId)))
      void view.show(annotate(segment, turn.citations, turn.claims)).catch(() => setText(view.root, segment.text))
    },
  }
}

import type { Citation } from 'alcove'
import { element, icon } from './dom.js'
import { texts } from './texts.js'

/** The list below an answer: each document once, with a chip for each passage that was quoted from it. */
export function createSourceList(open: (place: number, opener: HTMLElement) => void): {
  readonly root: HTMLElement
  show(citations: readonly Citation[]): void
} {
  const list = element('ul')
  const root = element(
    'div',
    { class: 'sources' },
    element('h3', { class: 'sources__title' }, texts.answer.sources),
    list,
  )
  let shown = 0

  function chip({ index, source, verified }: Citation, place: number): HTMLElement {
    const where = [source.page === undefined ? undefined : texts.answer.page(source.page), lastHeading(source)]
    return element(
      'button',
      {
        type: 'button',
        class: 'source-chip',
        'data-cite': place,
        'aria-label': texts.answer.citation(index, source.title, source.page),
        onclick: (event: MouseEvent) => open(place, event.currentTarget as HTMLElement),
      },
      element('span', { class: 'source-chip__number' }, String(index)),
      element('span', { class: 'source-chip__place' }, where.filter(Boolean).join(' · ')),
      verified ? undefined : icon('warning'),
    )
  }

  return {
    root,
    show(citations) {
      root.hidden = citations.length === 0
      if (citations.length === shown) return
      shown = citations.length
      const groups = Map.groupBy(citations.keys(), (place) => citations[place]?.source.id)
      const rows = [...groups.values()].map((places) => {
        const chips = places.flatMap((place) => {
          const citation = citations[place]
          return citation ? [chip(citation, place)] : []
        })
        const title = element('span', { class: 'sources__document' }, citations[places[0] ?? 0]?.source.title ?? '')
        return element('li', {}, title, ...chips)
      })
      list.replaceChildren(...rows)
    },
  }
}

/** The innermost heading, unless it only says the document's title again. */
const lastHeading = ({ headings, title }: Citation['source']): string | undefined => {
  const heading = headings.at(-1)
  return heading === title ? undefined : heading
}

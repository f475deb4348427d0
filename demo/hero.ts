import { button, element, icon } from './dom.js'
import { texts } from './texts.js'

export interface HeroOptions {
  readonly onExample: (question: string) => void
  readonly onAddSamples: () => void
}

export interface Hero {
  readonly root: HTMLElement
  /** Whether the sample documents are there to be asked about. */
  setSamples(there: boolean): void
}

/** What a first visitor sees where the conversation will be. */
export function createHero({ onExample, onAddSamples }: HeroOptions): Hero {
  const examples = texts.examples.map(({ question, document: title, kind }) =>
    element(
      'li',
      {},
      element(
        'button',
        { type: 'button', class: 'example', onclick: () => onExample(question) },
        element(
          'span',
          { class: 'example__question', lang: /\p{Script=Han}/u.test(question) ? 'zh' : undefined },
          question,
        ),
        element('span', { class: 'example__document' }, element('span', { class: 'example__kind' }, kind), title),
      ),
    ),
  )
  const withSamples = element(
    'div',
    {},
    element('h3', { class: 'hero__label' }, texts.hero.tryOne),
    element('ul', { class: 'examples' }, ...examples),
  )
  const without = element(
    'div',
    { class: 'hero__without', hidden: true },
    element('p', {}, texts.hero.noDocuments),
    button({ label: texts.hero.addSamples, icon: 'document', onclick: onAddSamples }),
  )
  const root = element(
    'div',
    { class: 'hero' },
    arch(),
    element('h2', { class: 'hero__title' }, texts.hero.title),
    element('p', { class: 'hero__sentence' }, icon('verified'), element('span', {}, texts.hero.sentence)),
    withSamples,
    without,
  )
  return {
    root,
    setSamples(there) {
      withSamples.hidden = !there
      without.hidden = there
    },
  }
}

/** The mark of the place: an alcove in a wall. */
export function arch(): SVGSVGElement {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg')
  svg.setAttribute('viewBox', '0 0 32 32')
  svg.setAttribute('class', 'arch')
  svg.setAttribute('aria-hidden', 'true')
  for (const [name, outline] of [
    ['arch__outer', 'M6 27V15a10 10 0 0 1 20 0v12'],
    ['arch__inner', 'M12 27V16a4 4 0 0 1 8 0v11'],
  ] as const) {
    const path = document.createElementNS('http://www.w3.org/2000/svg', 'path')
    path.setAttribute('d', outline)
    path.setAttribute('class', name)
    svg.append(path)
  }
  return svg
}

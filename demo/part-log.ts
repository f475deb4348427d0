import { element } from './dom.js'

/** More lines than anybody reads; older ones go. */
const MOST_LINES = 300
/** Characters of one line. */
const MOST_CHARACTERS = 400

type Shown = Readonly<Record<string, unknown>>

const cut = (text: string): string => (text.length > MOST_CHARACTERS ? `${text.slice(0, MOST_CHARACTERS)} …` : text)

/** What a part says, without what stands beside it. */
function wordsOf({ type, text, agentPath, ...rest }: Shown): string {
  if (typeof text === 'string') return text
  const [only, ...others] = Object.values(rest)
  return others.length === 0 && typeof only === 'string' ? only : JSON.stringify(rest)
}

/** A list of what a run gives, a line for each part; pieces of one text share a line. */
export function createPartLog(label: string) {
  const root = element('ol', { class: 'parts', 'aria-label': label, tabindex: 0, hidden: true })
  let last: { readonly key: string; readonly value: HTMLElement } | undefined

  function add(part: unknown): void {
    const shown = (typeof part === 'object' && part !== null ? part : { value: part }) as Shown
    const type = typeof shown.type === 'string' ? shown.type : typeof shown.role === 'string' ? shown.role : 'object'
    const path = Array.isArray(shown.agentPath) ? shown.agentPath.join(' › ') : ''
    const grows = typeof shown.text === 'string' && type.endsWith('-delta')
    const key = grows ? `${type} ${path} ${shown.callId ?? ''}` : ''
    if (grows && last?.key === key) {
      last.value.textContent = cut(`${last.value.textContent}${shown.text}`)
    } else {
      const value = element('span', { class: 'part__value' }, cut(wordsOf(shown)))
      const name = element('span', { class: 'part__type' }, path === '' ? type : `${path}: ${type}`)
      root.append(element('li', {}, name, value))
      if (root.childElementCount > MOST_LINES) root.firstElementChild?.remove()
      last = { key, value }
    }
    root.hidden = false
    root.scrollTop = root.scrollHeight
  }

  return {
    root,
    add,
    clear() {
      root.replaceChildren()
      root.hidden = true
      last = undefined
    },
  }
}

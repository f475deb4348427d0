import { element } from './dom.js'

/** Speaks to screen readers through one polite live region. */
export interface Announcer {
  readonly region: HTMLElement
  /** Says one thing. */
  say(text: string): void
  /** Starts following a text that grows: whole sentences are said as they come to an end. */
  follow(): { grow(text: string): void; end(closing: string): void }
}

/** The end of the last whole sentence in a text, 0 when there is none. A dot between digits ends nothing. */
function endOfSentences(text: string): number {
  let end = 0
  for (const match of text.matchAll(/[.!?…]["”’)]*(?=\s)|[。！？]["”’」）]*|\n{2,}/g))
    end = match.index + match[0].length
  return end
}

const withoutMarkup = (text: string): string =>
  text
    .replace(/[*_`#>|]+/g, ' ')
    .replace(/\s+/g, ' ')
    .trim()

/** How many sentences stay in the region: enough to be read back, few enough not to slow it. */
const KEPT = 30

export function createAnnouncer(): Announcer {
  const region = element('div', {
    class: 'visually-hidden',
    role: 'log',
    'aria-live': 'polite',
    'aria-atomic': 'false',
  })

  function say(text: string): void {
    const words = withoutMarkup(text)
    if (words === '') return
    region.append(element('p', {}, words))
    while (region.children.length > KEPT) region.firstElementChild?.remove()
  }

  return {
    region,
    say,
    follow() {
      let said = 0
      let latest = ''
      return {
        grow(text) {
          latest = text
          const end = endOfSentences(text)
          if (end <= said) return
          say(text.slice(said, end))
          said = end
        },
        end(closing) {
          say(latest.slice(said))
          say(closing)
          said = latest.length
        },
      }
    },
  }
}

import type { Token, TokensList } from 'marked'
import { button, element } from './dom.js'
import { texts } from './texts.js'

type Renderer = (markdown: string) => { readonly key: string; readonly make: () => DocumentFragment }[]

const ALLOWED_TAGS = [
  ...['p', 'br', 'hr', 'strong', 'em', 'del', 'code', 'pre', 'blockquote', 'ul', 'ol', 'li', 'a'],
  ...['h1', 'h2', 'h3', 'h4', 'h5', 'h6', 'table', 'thead', 'tbody', 'tr', 'th', 'td', '#text'],
]

const escapeHtml = (text: string): string => text.replace(/[&<>"]/g, (letter) => `&#${letter.charCodeAt(0)};`)

let renderer: Promise<Renderer> | undefined

/** Loads the Markdown reader and the sanitiser once. What a model writes is hostile until it has gone through both. */
async function load(): Promise<Renderer> {
  const [{ Marked }, { default: purify }] = await Promise.all([import('marked'), import('dompurify')])
  const marked = new Marked({
    gfm: true,
    renderer: {
      html: ({ text }) => escapeHtml(text),
      // A picture in an answer could only be fetched from elsewhere, which would tell elsewhere about this conversation.
      image: ({ text }) => escapeHtml(text),
    },
  })
  const sanitise = (html: string): DocumentFragment => {
    const fragment = purify.sanitize(html, {
      ALLOWED_TAGS,
      ALLOWED_ATTR: ['href', 'start', 'align'],
      ALLOWED_URI_REGEXP: /^(?:https?|mailto):/i,
      RETURN_DOM_FRAGMENT: true,
    })
    for (const link of fragment.querySelectorAll('a')) {
      link.rel = 'noopener noreferrer'
      link.target = '_blank'
    }
    for (const block of fragment.querySelectorAll('pre')) block.append(copyButton(block))
    for (const table of fragment.querySelectorAll('table')) {
      const frame = element('div', {
        class: 'table-frame',
        role: 'region',
        tabindex: '0',
        'aria-label': texts.answer.table,
      })
      table.replaceWith(frame)
      frame.append(table)
    }
    return fragment
  }
  return (markdown) => {
    const tokens = marked.lexer(markdown)
    return tokens
      .filter((token) => token.type !== 'space' && token.type !== 'def')
      .map((token) => ({ key: token.raw, make: () => sanitise(renderToken(token, tokens)) }))
  }

  function renderToken(token: Token, all: TokensList): string {
    return marked.parser(Object.assign([token], { links: all.links }))
  }
}

function copyButton(block: HTMLElement): HTMLElement {
  return button({
    label: texts.answer.copyCode,
    icon: 'copy',
    iconOnly: true,
    class: 'button button--icon copy-code',
    onclick: () => void navigator.clipboard.writeText(block.querySelector('code')?.textContent ?? ''),
  })
}

/** Fetches what rendering needs, so that the first answer does not wait for it. Errors come up when it is used. */
export function warmMarkdown(): void {
  renderer ??= load()
  renderer.catch(() => {
    renderer = undefined
  })
}

export interface MarkdownView {
  readonly root: HTMLElement
  /** Shows this text. Only the blocks that differ from what stands there are made again, so nothing jumps. */
  show(markdown: string): Promise<void>
}

/** @param finish called with each block that was made anew */
export function createMarkdownView(finish: (block: HTMLElement) => void): MarkdownView {
  const root = element('div', { class: 'prose' })
  const keys: string[] = []
  let latest = ''

  return {
    root,
    async show(markdown) {
      latest = markdown
      warmMarkdown()
      const render = await renderer
      if (!render || latest !== markdown) return
      const blocks = render(markdown)
      for (const [index, block] of blocks.entries()) {
        if (keys[index] === block.key) continue
        keys[index] = block.key
        const made = element('div', { class: 'block' }, block.make())
        finish(made)
        const old = root.children[index]
        if (old) old.replaceWith(made)
        else root.append(made)
      }
      keys.length = blocks.length
      while (root.children.length > blocks.length) root.lastElementChild?.remove()
    },
  }
}

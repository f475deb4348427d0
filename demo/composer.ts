import { button, element, setText } from './dom.js'
import { texts } from './texts.js'

export interface ComposerOptions {
  /** The half-written question of last time. */
  readonly draft: string
  readonly onDraft: (text: string) => void
  /** @param replacing the turn that is being changed */
  readonly onAsk: (question: string, replacing: string | undefined) => void
  readonly onStop: () => void
  readonly onAttach: () => void
  /** Files, or a long text, that were pasted into the question. */
  readonly onDocuments: (files: readonly (File | string)[]) => void
  /** An arrow up in an empty question. */
  readonly onRecall: () => void
  readonly onHelp: () => void
}

export interface Composer {
  readonly root: HTMLElement
  /** The line below, which says what will answer. */
  readonly line: HTMLElement
  focus(): void
  setRunning(running: boolean): void
  /** Takes an earlier question up again, to change it. */
  edit(turn: { readonly id: string; readonly question: string }): void
  clear(): void
}

/** From this many letters on, pasted text is likelier a document than a question. */
const LONG_PASTE_LETTERS = 1500

export function createComposer(options: ComposerOptions): Composer {
  let replacing: string | undefined
  let running = false
  const field = element('textarea', {
    id: 'question',
    rows: 1,
    'aria-label': texts.composer.label,
    'aria-describedby': 'readiness',
    placeholder: texts.composer.placeholder,
    autocomplete: 'off',
    enterkeyhint: 'send',
    maxlength: 20_000,
  })
  field.value = options.draft
  const attach = button({ label: texts.composer.attach, icon: 'add', iconOnly: true, onclick: options.onAttach })
  const send = button({
    label: texts.composer.send,
    icon: 'send',
    iconOnly: true,
    class: 'button button--send',
    onclick: () => submit(),
  })
  const stop = button({
    label: texts.composer.stop,
    icon: 'stop',
    class: 'button button--stop',
    onclick: options.onStop,
  })
  const hint = element('div', { class: 'composer__hint', hidden: true })
  const line = element('div', { class: 'readiness', id: 'readiness' })
  const box = element('div', { class: 'composer__box' }, attach, field, send, stop)
  const root = element(
    'form',
    { class: 'composer', onsubmit: (event: SubmitEvent) => event.preventDefault() },
    hint,
    box,
    line,
  )

  function showHint(sentence: string, label: string, act: () => void): void {
    hint.replaceChildren(element('span', {}, sentence), button({ label, class: 'button button--small', onclick: act }))
    hint.hidden = false
  }

  function changed(): void {
    // `field-sizing: content` does this where it is known; the height is set by hand elsewhere.
    if (!CSS.supports('field-sizing', 'content')) {
      field.style.height = 'auto'
      field.style.height = `${Math.min(field.scrollHeight, 220)}px`
    }
    send.disabled = field.value.trim() === ''
    options.onDraft(field.value)
  }

  function setValue(text: string): void {
    field.value = text
    changed()
  }

  function leaveEditing(): void {
    replacing = undefined
    hint.hidden = true
  }

  function submit(): void {
    const question = field.value.trim()
    if (question === '' || running) return
    const target = replacing
    leaveEditing()
    setValue('')
    options.onAsk(question, target)
  }

  field.addEventListener('input', changed)
  field.addEventListener('keydown', (event) => {
    if (event.isComposing) return
    const bare = !(event.shiftKey || event.ctrlKey || event.altKey || event.metaKey)
    if (event.key === 'Enter' && bare) {
      event.preventDefault()
      submit()
    } else if (field.value === '' && event.key === 'ArrowUp' && bare && !running) {
      event.preventDefault()
      options.onRecall()
    } else if (field.value === '' && event.key === '?') {
      event.preventDefault()
      options.onHelp()
    }
  })
  field.addEventListener('paste', (event) => {
    const files = [...(event.clipboardData?.files ?? [])]
    if (files.length > 0) {
      event.preventDefault()
      options.onDocuments(files)
      return
    }
    const text = event.clipboardData?.getData('text/plain') ?? ''
    if (text.length < LONG_PASTE_LETTERS) return
    showHint(texts.composer.longPaste(text.length), texts.composer.longPasteAdd, () => {
      hint.hidden = true
      setValue(field.value.replace(text, ''))
      options.onDocuments([text])
      field.focus()
    })
  })
  stop.hidden = true
  send.disabled = field.value.trim() === ''
  requestAnimationFrame(changed)

  return {
    root,
    line,
    focus: () => field.focus(),
    setRunning(now) {
      running = now
      // The one that goes away must not take the focus with it.
      const focused = document.activeElement === send || document.activeElement === stop
      stop.hidden = !now
      send.hidden = now
      if (focused) field.focus()
    },
    edit({ id, question }) {
      replacing = id
      setValue(question)
      showHint(texts.composer.editing, texts.composer.stopEditing, () => {
        leaveEditing()
        setValue('')
        field.focus()
      })
      field.focus()
      field.setSelectionRange(question.length, question.length)
    },
    clear() {
      leaveEditing()
      setValue('')
    },
  }
}

/** Shows the sentence about what will answer, with a way on where there is one. */
export function showReadiness(
  line: HTMLElement,
  sentence: string,
  way?: { readonly label: string; readonly act: () => void },
): void {
  const text = line.querySelector('span') ?? line.appendChild(element('span'))
  setText(text, sentence)
  const known = line.querySelector('button')
  if (way && known?.textContent === way.label) return
  known?.remove()
  if (way) line.append(button({ label: way.label, class: 'button button--link', onclick: way.act }))
}

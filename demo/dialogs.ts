import { button, element } from './dom.js'
import { texts } from './texts.js'

/** Opens a dialog; a click beside it closes it, and the focus goes back to where it was. */
export function openDialog(dialog: HTMLDialogElement): void {
  if (dialog.open) return
  dialog.onclick = (event) => {
    if (event.target === dialog) dialog.close()
  }
  dialog.showModal()
}

/** Puts a dialog into the page, and takes it out when it was closed. */
function openOnce(dialog: HTMLDialogElement): void {
  document.body.append(dialog)
  dialog.addEventListener('close', () => dialog.remove())
  openDialog(dialog)
}

interface Question {
  readonly title: string
  readonly content: readonly (Node | string)[]
  readonly yes: string
  readonly no: string
  readonly danger?: boolean
}

/** Asks a question with two answers. Closing it in any other way is a no. */
export function askToConfirm({ title, content, yes, no, danger }: Question): Promise<boolean> {
  return new Promise((resolve) => {
    let agreed = false
    const dialog: HTMLDialogElement = element(
      'dialog',
      { class: 'dialog', 'aria-labelledby': 'confirm-title' },
      element('h2', { id: 'confirm-title' }, title),
      ...content,
      element(
        'div',
        { class: 'dialog__actions' },
        button({ label: no, onclick: () => dialog.close() }),
        button({
          label: yes,
          class: danger ? 'button button--danger' : 'button button--primary',
          onclick: () => {
            agreed = true
            dialog.close()
          },
        }),
      ),
    )
    dialog.addEventListener('close', () => resolve(agreed))
    openOnce(dialog)
  })
}

/** Keyboard help. */
export function openHelp(): void {
  if (document.querySelector('dialog[open]')) return
  const rows = texts.help.rows.flatMap(([keys, words]) => [
    element('dt', {}, ...keys.split(' + ').flatMap((key, index) => [index > 0 ? ' + ' : '', element('kbd', {}, key)])),
    element('dd', {}, words),
  ])
  const dialog: HTMLDialogElement = element(
    'dialog',
    { class: 'dialog', 'aria-labelledby': 'help-title' },
    element(
      'header',
      { class: 'dialog__header' },
      element('h2', { id: 'help-title' }, texts.help.title),
      button({ label: texts.help.close, icon: 'close', iconOnly: true, onclick: () => dialog.close() }),
    ),
    element('dl', { class: 'keys' }, ...rows),
    element('p', { class: 'dialog__sentence' }, texts.help.about),
  )
  openOnce(dialog)
}

/** Lets a person paste or write a text that becomes a document. */
export function openPasteDialog(add: (text: string, name: string) => void): void {
  const name = element('input', {
    type: 'text',
    id: 'paste-name',
    autocomplete: 'off',
    placeholder: texts.documents.pastedTitle,
  })
  const text = element('textarea', { id: 'paste-text', rows: 8, required: true, autofocus: true })
  const dialog: HTMLDialogElement = element(
    'dialog',
    { class: 'dialog', 'aria-labelledby': 'paste-title' },
    element('h2', { id: 'paste-title' }, texts.pasteDialog.title),
    element('label', { for: 'paste-text' }, texts.pasteDialog.text),
    text,
    element('label', { for: 'paste-name' }, texts.pasteDialog.name),
    name,
    element(
      'div',
      { class: 'dialog__actions' },
      button({ label: texts.pasteDialog.cancel, onclick: () => dialog.close() }),
      button({
        label: texts.pasteDialog.add,
        class: 'button button--primary',
        onclick: () => {
          if (text.value.trim() === '') return text.focus()
          add(text.value, name.value)
          dialog.close()
        },
      }),
    ),
  )
  openOnce(dialog)
}

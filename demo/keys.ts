import type { Composer } from './composer.js'
import type { Conversation } from './conversation.js'
import { openHelp } from './dialogs.js'
import { isWriting } from './dom.js'
import type { Sheet } from './sheet.js'
import type { SourceOpener } from './source-opener.js'

export interface KeysOptions {
  readonly conversation: Conversation
  readonly composer: Composer
  readonly documentsSheet: Sheet
  readonly closeDocuments: () => void
  readonly sources: SourceOpener
}

/** The page's own keys. What a field or an open dialog needs stays theirs. */
export function listenToKeys({ conversation, composer, documentsSheet, closeDocuments, sources }: KeysOptions): void {
  document.addEventListener('keydown', (event) => {
    if (event.defaultPrevented || event.isComposing || document.querySelector('dialog[open], [popover]:popover-open'))
      return
    if (event.key === 'Escape') {
      if (conversation.stop()) return
      if (documentsSheet.isOpen) closeDocuments()
      else sources.closeAndReturn()
      return
    }
    if (isWriting(event.target) || event.ctrlKey || event.metaKey || event.altKey) return
    if (event.key === '?') openHelp()
    else if (event.key === '/') composer.focus()
    else return
    event.preventDefault()
  })
}

import type { StoredDocument } from 'alcove'
import { createSheet } from './sheet.js'
import { createSourcePanel } from './source-panel.js'
import type { Turn } from './turn.js'

export interface SourceOpenerOptions {
  readonly load: (id: string) => Promise<StoredDocument | undefined>
  /** Shows in the conversation which number is open. */
  readonly markOpen: (turnId: string | undefined, place?: number) => void
  /** Where the focus goes when what opened the source is gone. */
  readonly fallbackFocus: () => void
  readonly backdrop: HTMLElement
  readonly rest: readonly HTMLElement[]
}

export interface SourceOpener {
  readonly root: HTMLElement
  openCitation(turn: Turn, place: number, opener: HTMLElement): void
  openDocument(id: string, title: string, opener: HTMLElement): void
  close(): void
  /** Closes it, and the focus returns to the number that opened it. */
  closeAndReturn(): void
}

/** The way into a source and back: the panel, its sheet on a phone, and the focus. */
export function createSourceOpener(options: SourceOpenerOptions): SourceOpener {
  let opener: HTMLElement | undefined
  let turnId: string | undefined
  let shownPlace: number | undefined
  const panel = createSourcePanel({
    load: options.load,
    onClose: closeAndReturn,
    onShow(place) {
      shownPlace = place
      options.markOpen(turnId, place)
    },
  })
  const sheet = createSheet({
    panel: panel.root,
    backdrop: options.backdrop,
    rest: options.rest,
    onClose: closeAndReturn,
  })

  function open(from: HTMLElement, turn: string | undefined): void {
    opener = from
    turnId = turn
    panel.root.hidden = false
    document.body.classList.add('has-source')
    sheet.open()
  }

  function close(): void {
    sheet.close()
    panel.close()
    document.body.classList.remove('has-source')
    options.markOpen(undefined)
  }

  /** The number that shows what was open last; its element may have been made anew since. */
  function placeToReturn(): HTMLElement | null {
    const number = document.querySelector<HTMLElement>(`[data-turn="${turnId}"] [data-cite="${shownPlace}"]`)
    const moved = number !== null && opener?.dataset.cite !== String(shownPlace)
    return opener?.isConnected && !moved ? opener : number
  }

  function closeAndReturn(): void {
    if (!panel.open) return
    const place = placeToReturn()
    close()
    if (place?.checkVisibility()) place.focus()
    else options.fallbackFocus()
  }

  return {
    root: panel.root,
    openCitation(turn, place, from) {
      open(from, turn.id)
      void panel.openCitation(turn.citations, place)
      panel.root.focus()
    },
    openDocument(id, title, from) {
      open(from, undefined)
      void panel.openDocument(id, title)
      panel.root.focus()
    },
    close,
    closeAndReturn,
  }
}

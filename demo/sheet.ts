/** Below this width the sides are sheets over the conversation. The style sheet has the same number. */
export const NARROW = '(max-width: 720px)'

export interface Sheet {
  readonly isOpen: boolean
  /** Opens it over the page; the rest cannot be reached until it is closed. */
  open(): void
  close(): void
}

export interface SheetOptions {
  readonly panel: HTMLElement
  readonly backdrop: HTMLElement
  /** What lies below the sheet. */
  readonly rest: readonly HTMLElement[]
  /** Closed by Escape, by a tap beside it, or because the page became wide. */
  readonly onClose: () => void
}

/** On a phone, shows a side panel as a sheet; on a wide page the panel stands beside and this does nothing. */
export function createSheet({ panel, backdrop, rest, onClose }: SheetOptions): Sheet {
  const narrow = matchMedia(NARROW)
  let open = false

  function apply(): void {
    const over = open && narrow.matches
    panel.classList.toggle('is-sheet', over)
    backdrop.hidden = !over
    for (const part of rest) part.inert = over
    if (over) {
      panel.setAttribute('role', 'dialog')
      panel.setAttribute('aria-modal', 'true')
    } else {
      panel.removeAttribute('role')
      panel.removeAttribute('aria-modal')
    }
  }

  narrow.addEventListener('change', apply)
  backdrop.addEventListener('click', () => {
    if (open) onClose()
  })

  return {
    get isOpen() {
      return open && narrow.matches
    },
    open() {
      open = true
      apply()
      if (narrow.matches) panel.focus()
    },
    close() {
      open = false
      apply()
    },
  }
}

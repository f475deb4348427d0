import type { DocumentInput } from 'alcove'
import { element, isWriting } from './dom.js'
import { texts } from './texts.js'

/** Kinds that a folder may hold and that are worth reading. What a person names one by one is always tried. */
const READABLE = /\.(pdf|docx|pptx|xlsx|html?|md|markdown|txt|text|csv|tsv|json|log|rst|tex|ipynb)$/i

export interface IntakeOptions {
  readonly onDocuments: (inputs: readonly DocumentInput[]) => void
  /** Files of a folder that were left out. */
  readonly onSkipped: (count: number) => void
}

export interface Intake {
  /** The overlay and the hidden file fields; put it into the page. */
  readonly root: HTMLElement
  chooseFiles(): void
  chooseFolder(): void
}

/** All ways in for documents: a file dialog, a folder, a drop anywhere on the page, and a paste outside of a field. */
export function createIntake(options: IntakeOptions): Intake {
  const overlay = element(
    'div',
    { class: 'drop-overlay', hidden: true, 'aria-hidden': 'true' },
    element('p', { class: 'drop-overlay__title' }, texts.documents.drop),
    element('p', {}, texts.documents.dropHint),
  )
  const field = (attributes: Record<string, string | boolean>, take: (files: File[]) => void): HTMLInputElement => {
    const input: HTMLInputElement = element('input', {
      type: 'file',
      hidden: true,
      multiple: true,
      ...attributes,
      onchange: () => {
        take([...(input.files ?? [])])
        input.value = ''
      },
    })
    return input
  }
  const files = field({ 'aria-label': texts.documents.choose }, options.onDocuments)
  const folder = field({ 'aria-label': texts.documents.folder, webkitdirectory: true }, takeFolder)
  const root = element('div', {}, overlay, files, folder)

  function takeFolder(found: readonly File[]): void {
    const readable = found.filter((file) => READABLE.test(file.name) && !file.name.startsWith('.'))
    if (readable.length > 0) options.onDocuments(readable)
    if (readable.length < found.length) options.onSkipped(found.length - readable.length)
  }

  async function takeTransfer(transfer: DataTransfer): Promise<void> {
    // Entries and texts must be taken before anything is awaited: the transfer is emptied after the event.
    const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.() ?? null)
    const plain = [...transfer.files]
    const text = transfer.getData('text/plain')
    const folders = entries.filter((entry): entry is FileSystemDirectoryEntry => entry?.isDirectory === true)
    const names = new Set(folders.map((entry) => entry.name))
    const single = plain.filter((file) => !names.has(file.name))
    if (single.length > 0) options.onDocuments(single)
    else if (folders.length === 0 && text.trim() !== '') options.onDocuments([textDocument(text)])
    if (folders.length > 0) takeFolder((await Promise.all(folders.map(filesBelow))).flat())
  }

  listenToDrops(overlay, (transfer) => void takeTransfer(transfer))
  document.addEventListener('paste', (event) => {
    if (isWriting(event.target) || !event.clipboardData || document.querySelector('dialog[open]')) return
    event.preventDefault()
    void takeTransfer(event.clipboardData)
  })
  return { root, chooseFiles: () => files.click(), chooseFolder: () => folder.click() }
}

/** A pasted text as a document, named by its first line. */
export function textDocument(text: string, name = ''): DocumentInput {
  const firstLine = text
    .trim()
    .split('\n', 1)[0]
    ?.replace(/^#+\s*/, '')
    .slice(0, 60)
    .trim()
  const title = name.trim() || firstLine || texts.documents.pastedTitle
  return { text, title, id: `pasted-${Date.now().toString(36)}-${Math.random().toString(36).slice(2, 6)}` }
}

function listenToDrops(overlay: HTMLElement, take: (transfer: DataTransfer) => void): void {
  let depth = 0
  const carries = (event: DragEvent): boolean =>
    event.dataTransfer?.types.some((type) => type === 'Files' || type === 'text/plain') ?? false
  const show = (shown: boolean): void => {
    if (!shown) depth = 0
    overlay.hidden = !shown
  }
  document.addEventListener('dragenter', (event) => {
    if (!carries(event)) return
    event.preventDefault()
    depth++
    show(true)
  })
  document.addEventListener('dragleave', (event) => {
    if (carries(event) && --depth <= 0) show(false)
  })
  document.addEventListener('dragover', (event) => {
    if (carries(event)) event.preventDefault()
  })
  document.addEventListener('dragend', () => show(false))
  document.addEventListener('drop', (event) => {
    show(false)
    if (!event.dataTransfer || !carries(event)) return
    event.preventDefault()
    take(event.dataTransfer)
  })
}

async function filesBelow(folder: FileSystemDirectoryEntry): Promise<File[]> {
  const reader = folder.createReader()
  const found: File[] = []
  for (;;) {
    // Gives at most 100 entries a call; an empty list is the end.
    const entries = await new Promise<FileSystemEntry[]>((resolve) => reader.readEntries(resolve, () => resolve([])))
    if (entries.length === 0) return found
    const files = await Promise.all(
      entries.map((entry) =>
        entry.isDirectory
          ? filesBelow(entry as FileSystemDirectoryEntry)
          : new Promise<File[]>((resolve) =>
              (entry as FileSystemFileEntry).file(
                (file) => resolve([file]),
                () => resolve([]),
              ),
            ),
      ),
    )
    found.push(...files.flat())
  }
}

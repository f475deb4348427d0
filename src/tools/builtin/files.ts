import { AlcoveError } from '../../protocol/error.js'
import { type Tool, tool } from '../tool.js'
import { sliceText } from './slice-text.js'

/** What a user opened: a file, or a handle that can be written too. */
export type OpenedFile = File | FileSystemFileHandle

export interface FilesToolOptions {
  /** Files that are open from the start. */
  readonly files?: readonly OpenedFile[] | undefined
  /** @default 'files' */
  readonly name?: string | undefined
  /** Largest file that is read or written, in bytes. @default 4 MiB */
  readonly maxBytes?: number | undefined
  /** Most characters of text that one call gives. @default 6_000 */
  readonly maxCharacters?: number | undefined
  /** Whether a person must agree to a call. @default for writing */
  readonly needsApproval?: boolean | ((input: Readonly<Record<string, unknown>>) => boolean) | undefined
}

/** A tool for files, and what the page does with it. */
export interface FilesTool extends Tool {
  /**
   * Lets the user choose files. Call it from a click. Gives the names of those that were opened; none when the user chose none.
   */
  open(): Promise<string[]>
  /** Opens files that the page has, such as dropped ones. Gives their names: one that is taken gets a number. */
  add(files: readonly OpenedFile[]): string[]
  /** Names of the files that are open. */
  list(): string[]
  /** Closes a file: the model reaches it no more. */
  remove(name: string): boolean
}

/** As much as lib.dom lacks of the File System Access API. */
interface Permissions {
  queryPermission?(options: { mode: 'readwrite' }): Promise<PermissionState>
  requestPermission?(options: { mode: 'readwrite' }): Promise<PermissionState>
}
interface Pickers {
  showOpenFilePicker?(options: { multiple: boolean }): Promise<FileSystemFileHandle[]>
}

const MAX_FILES = 100

/**
 * A tool that reads and writes the files that the user opened, and no others. A file is written in its place where the browser can and the user
 * allows it, else given as a download. Writing needs approval unless the host says otherwise.
 */
export function filesTool(options: FilesToolOptions = {}): FilesTool {
  const { name = 'files', maxBytes = 4 << 20, maxCharacters = 6000 } = options
  const { needsApproval = ({ action }: Readonly<Record<string, unknown>>) => action === 'write' } = options
  const opened = new Map<string, OpenedFile>()

  function add(files: readonly OpenedFile[]): string[] {
    if (opened.size + files.length > MAX_FILES) {
      throw new AlcoveError('limit-reached', `filesTool: expected at most ${MAX_FILES} open files`)
    }
    return files.map((file) => {
      const free = freeName(file.name, opened)
      opened.set(free, file)
      return free
    })
  }

  function find(wanted: unknown): OpenedFile {
    const file = typeof wanted === 'string' ? opened.get(wanted) : undefined
    if (file !== undefined) return file
    const names = [...opened.keys()].slice(0, 20).join(', ')
    throw new AlcoveError(
      'not-found',
      `No open file is called '${wanted ?? ''}'. Open are: ${names || 'none; ask the user to open one'}.`,
    )
  }

  const made = tool({
    name,
    description: 'Reads and writes the text files that the user opened. List them first.',
    input: {
      type: 'object',
      properties: {
        action: { enum: ['list', 'read', 'write'] },
        name: { type: 'string', maxLength: 300, description: 'Name of the file' },
        from: { type: 'integer', minimum: 0, description: 'Where reading goes on, for a long file' },
        text: { type: 'string', description: 'For write: the whole new text of the file' },
      },
      required: ['action'],
      additionalProperties: false,
    },
    needsApproval,
    // A person may be asked for permission meanwhile.
    timeoutMs: 120_000,
    async execute({ action, name: wanted, from, text }) {
      if (action === 'list') return { files: await Promise.all([...opened].map(describeFile)) }
      if (action === 'read') return sliceText(await readText(find(wanted), maxBytes), Number(from ?? 0), maxCharacters)
      if (typeof text !== 'string') throw new AlcoveError('invalid-argument', 'To write a file, give its whole text.')
      const bytes = new TextEncoder().encode(text)
      if (bytes.byteLength > maxBytes) {
        throw new AlcoveError('too-large', `The text has ${bytes.byteLength} bytes, more than ${maxBytes}.`)
      }
      const file = find(wanted)
      return await writeBytes(file, String(wanted), bytes)
    },
  })
  add(options.files ?? [])
  return {
    ...made,
    open: async () => add(await pickFiles()),
    add,
    list: () => [...opened.keys()],
    remove: (wanted) => opened.delete(wanted),
  }
}

const isHandle = (file: OpenedFile): file is FileSystemFileHandle => !(file instanceof Blob)

function freeName(name: string, taken: ReadonlyMap<string, unknown>): string {
  let free = name
  for (let number = 2; taken.has(free); number++) free = `${name} (${number})`
  return free
}

async function describeFile([name, file]: readonly [string, OpenedFile]): Promise<unknown> {
  try {
    const { size } = isHandle(file) ? await file.getFile() : file
    return { name, bytes: size }
  } catch {
    return { name, problem: 'cannot be read any more' }
  }
}

async function readText(opened: OpenedFile, maxBytes: number): Promise<string> {
  let file: File
  try {
    file = isHandle(opened) ? await opened.getFile() : opened
  } catch (cause) {
    throw new AlcoveError('not-found', `${opened.name} cannot be read any more: it was moved, deleted or closed.`, {
      cause,
    })
  }
  if (file.size > maxBytes)
    throw new AlcoveError('too-large', `${file.name} has ${file.size} bytes, more than ${maxBytes}.`)
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(await file.arrayBuffer())
  } catch (cause) {
    throw new AlcoveError('document-unsupported', `${file.name} is no text file.`, { cause })
  }
}

async function writeBytes(file: OpenedFile, name: string, bytes: Uint8Array<ArrayBuffer>): Promise<unknown> {
  if (!isHandle(file)) {
    download(name, bytes)
    return { downloaded: name, note: 'The browser cannot write the file in its place: the user got it as a download.' }
  }
  const { queryPermission, requestPermission } = file as Permissions
  const mode = { mode: 'readwrite' } as const
  let state = (await queryPermission?.call(file, mode)) ?? 'granted'
  // Refused by the browser where no click came before.
  if (state === 'prompt') state = (await requestPermission?.call(file, mode).catch(() => undefined)) ?? 'denied'
  if (state !== 'granted') throw new AlcoveError('permission-denied', `The user did not allow writing ${name}.`)
  const stream = await file.createWritable()
  await stream.write(bytes)
  await stream.close()
  return { written: name, bytes: bytes.byteLength }
}

function download(name: string, bytes: Uint8Array<ArrayBuffer>): void {
  const url = URL.createObjectURL(new Blob([bytes], { type: 'text/plain' }))
  const link = document.createElement('a')
  link.href = url
  link.download = name
  link.click()
  setTimeout(() => URL.revokeObjectURL(url), 60_000)
}

async function pickFiles(): Promise<OpenedFile[]> {
  const { showOpenFilePicker } = globalThis as Pickers
  if (showOpenFilePicker === undefined) return await pickByInput()
  try {
    return await showOpenFilePicker.call(globalThis, { multiple: true })
  } catch (error) {
    if ((error as Error).name === 'AbortError') return []
    throw new AlcoveError('permission-denied', `The user could not be asked for files: ${(error as Error).message}`, {
      cause: error,
      hint: 'Call open() from a click.',
    })
  }
}

function pickByInput(): Promise<File[]> {
  const input = document.createElement('input')
  input.type = 'file'
  input.multiple = true
  return new Promise((resolve) => {
    input.onchange = () => resolve([...(input.files ?? [])])
    input.oncancel = () => resolve([])
    input.click()
  })
}

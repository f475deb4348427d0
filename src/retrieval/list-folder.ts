import type { DocumentInput, FolderFile, FolderInput } from '../protocol/corpus.js'
import { AlcoveError } from '../protocol/error.js'

/** A folder's name and its documents, each with its path from the folder's name on as id. */
export interface ListedFolder {
  readonly name: string
  readonly documents: readonly (DocumentInput & { readonly id: string })[]
}

/**
 * The files of a folder and of those below it, in the order of their paths. Files and folders whose names begin with a dot are passed over.
 * @throws AlcoveError `invalid-argument` for what is no folder; `permission-denied` where the person has not given leave to read it; `not-found`
 *   where it is gone
 */
export async function listFolder(folder: FolderInput): Promise<ListedFolder> {
  if (typeof (folder as Partial<ArrayLike<unknown>> | null)?.length === 'number') {
    const files = Array.from(folder as ArrayLike<File | FolderFile>)
    return listChosen(files.map((one) => ('file' in one ? one : { path: one.webkitRelativePath, file: one })))
  }
  const handle = folder as FileSystemDirectoryHandle
  if (handle?.kind !== 'directory') {
    throw new AlcoveError('invalid-argument', 'folder: expected a directory handle or a list of files with their paths')
  }
  const documents: { id: string; data: Blob }[] = []
  try {
    for await (const [path, file] of walk(handle, handle.name)) documents.push({ id: path, data: await file.getFile() })
  } catch (error) {
    const { name } = (error ?? {}) as Partial<DOMException>
    const code = name === 'NotFoundError' ? 'not-found' : 'permission-denied'
    throw new AlcoveError(code, `the folder '${handle.name}' cannot be read`, { cause: error })
  }
  return { name: handle.name, documents: sortByPath(documents) }
}

function listChosen(files: readonly FolderFile[]): ListedFolder {
  const shown = files.filter(({ path }) => !path.split('/').some(isHidden))
  const [name = ''] = files[0]?.path.split('/', 1) ?? []
  if (name === '' || files.some(({ path }) => !path.startsWith(`${name}/`))) {
    throw new AlcoveError(
      'invalid-argument',
      'folder: expected files of one folder, with their paths (webkitRelativePath)',
      {
        hint: 'Take the files of an <input type="file" webkitdirectory>. An empty list does not say which folder it is.',
      },
    )
  }
  return { name, documents: sortByPath(shown.map(({ path, file }) => ({ id: path, data: file }))) }
}

async function* walk(
  folder: FileSystemDirectoryHandle,
  path: string,
): AsyncGenerator<readonly [string, FileSystemFileHandle]> {
  for await (const [name, entry] of folder.entries()) {
    if (isHidden(name)) continue
    if (entry.kind === 'directory') yield* walk(entry as FileSystemDirectoryHandle, `${path}/${name}`)
    else yield [`${path}/${name}`, entry as FileSystemFileHandle]
  }
}

const isHidden = (name: string): boolean => name.startsWith('.')

const sortByPath = <Document extends { readonly id: string }>(documents: readonly Document[]): Document[] =>
  [...documents].sort((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0))

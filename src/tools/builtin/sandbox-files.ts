import { AlcoveError } from '../../protocol/error.js'
import { throwIfAborted } from '../../runtime/abort.js'

/** Address of a file in a folder, which may be named relative to the page. */
export function fileUrl(folder: string, name: string): string {
  return new URL(name, new URL(folder.endsWith('/') ? folder : `${folder}/`, document.baseURI)).href
}

/**
 * Fetches a whole file for a sandbox, which can fetch none.
 *
 * @throws AlcoveError `http-status`, `network` or `too-large`, with where it was looked for
 */
export async function fetchFile(url: string, signal: AbortSignal, maxBytes: number): Promise<ArrayBuffer> {
  let response: Response
  try {
    response = await fetch(url, { signal, credentials: 'omit' })
  } catch (cause) {
    throwIfAborted(signal)
    throw new AlcoveError('network', `Could not fetch ${url}`, {
      cause,
      hint: "Serve the file, with CORS where it is of another origin, and allow it in the page's connect-src.",
    })
  }
  if (!response.ok) throw new AlcoveError('http-status', `Could not fetch ${url}: status ${response.status}`)
  const data = await response.arrayBuffer()
  if (data.byteLength <= maxBytes) return data
  throw new AlcoveError('too-large', `${url} has ${data.byteLength} bytes, expected at most ${maxBytes}`)
}

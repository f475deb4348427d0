import { AlcoveError } from '../protocol/error.js'
import { abortError, onAbort } from '../runtime/abort.js'

/** Longest time until the frame's script has run. */
const OPEN_MS = 5000

export interface SandboxOptions {
  /** The worker's script, as text: a classic one. */
  readonly code: string
  /** What the worker is sent first. */
  readonly call: unknown
  /** Whether the script may compile WebAssembly. The page's own policy must allow it too. @default false */
  readonly needsWasm?: boolean | undefined
  /** Address of the frame's script. @default `workers/sandbox.js` beside this script */
  readonly frameUrl?: string | undefined
  readonly signal: AbortSignal
}

/** A worker in a frame of opaque origin. */
export interface Sandbox {
  /** To and from the worker. What comes from it is hostile: `{ type: 'error', message }` for what it did not catch, `{ type: 'blocked' }`. */
  readonly port: MessagePort
  /** Takes the frame away, and the worker with it, whatever it does. */
  close(): void
}

/**
 * Starts a worker in a frame of opaque origin whose policy is `default-src 'none'`: no network, no DOM, none of the page's storage.
 *
 * The page's own policy holds in the frame too: `script-src` must allow the frame's script, and `worker-src` must allow `blob:`.
 *
 * @throws AlcoveError `permission-denied` where the page's policy forbids the frame's script, or there is no page; what the signal says
 */
export async function openSandbox(options: SandboxOptions): Promise<Sandbox> {
  if (typeof document === 'undefined') throw sandboxRefused('expected a page with a document, got none', 'document')
  const { code, call, needsWasm = false, signal } = options
  const frameUrl = options.frameUrl ?? new URL('./workers/sandbox.js', import.meta.url).href
  const frame = createFrame(new URL(frameUrl, document.baseURI).href, needsWasm)
  const { port1, port2 } = new MessageChannel()
  const cleanUps: (() => void)[] = []
  function close(): void {
    frame.remove()
    port1.close()
  }
  try {
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(
        () => reject(sandboxRefused(`the frame's script did not run: ${frameUrl}`, 'script-src')),
        OPEN_MS,
      )
      const onReady = ({ source, data }: MessageEvent) => {
        if (source !== frame.contentWindow || source === null || data !== 'alcove-sandbox-ready') return
        // An opaque origin cannot be named; the window is the frame's own.
        frame.contentWindow?.postMessage({ code, call }, '*', [port2])
        resolve()
      }
      addEventListener('message', onReady)
      cleanUps.push(
        () => clearTimeout(timer),
        () => removeEventListener('message', onReady),
        onAbort(signal, () => reject(abortError(signal))),
      )
      document.documentElement.append(frame)
    })
  } catch (error) {
    close()
    throw error
  } finally {
    for (const cleanUp of cleanUps) cleanUp()
  }
  return { port: port1, close }
}

function createFrame(scriptUrl: string, needsWasm: boolean): HTMLIFrameElement {
  const frame = document.createElement('iframe')
  frame.setAttribute('sandbox', 'allow-scripts')
  frame.setAttribute('aria-hidden', 'true')
  frame.hidden = true
  // A nonce and no address: the worker could otherwise load that address again, with data in its query.
  const nonce = crypto.getRandomValues(new Uint32Array(4)).join('-')
  const wasm = needsWasm ? " 'wasm-unsafe-eval'" : ''
  const policy = `default-src 'none'; script-src 'nonce-${nonce}'${wasm}; worker-src blob:`
  const address = scriptUrl.replaceAll('&', '&amp;').replaceAll('"', '&quot;')
  frame.srcdoc = `<!doctype html><meta http-equiv="Content-Security-Policy" content="${policy}"><script nonce="${nonce}" src="${address}"></script>`
  return frame
}

/** Ends the run: no model can mend it. */
export function sandboxRefused(reason: string, directive: string): AlcoveError {
  return new AlcoveError('permission-denied', `The sandbox could not be opened: ${reason}`, {
    hint:
      "The page's Content-Security-Policy must allow workers/sandbox.js in script-src and blob: in worker-src; under COEP require-corp that " +
      'file needs Cross-Origin-Resource-Policy: cross-origin.',
    details: { fatal: true, directive },
  })
}

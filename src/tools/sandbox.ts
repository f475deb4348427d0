import { AlcoveError } from '../protocol/error.js'
import { abortError, onAbort } from '../runtime/abort.js'
import type { ToolContext } from './tool.js'

/** Longest time until the frame's script has run. */
const OPEN_MS = 5000

/** What the code of a tool is wrapped in. Only what can be cloned comes out of it. */
const HARNESS = `onmessage = async ({ data: { input, callId } }) => {
  const { signal } = new AbortController()
  const report = (progress) => postMessage({ type: 'progress', progress })
  try {
    postMessage({ type: 'result', output: await execute(input, { signal, callId, report }) })
  } catch (error) {
    postMessage({ type: 'error', message: String(error?.message ?? error) })
  }
}`

type SandboxMessage =
  | { readonly type: 'result'; readonly output: unknown }
  | { readonly type: 'progress'; readonly progress: unknown }
  | { readonly type: 'error'; readonly message: string }
  | { readonly type: 'blocked' }

/** Code for the sandbox. */
export interface SandboxCode {
  /** A function's text, as its `toString` gives it. It sees nothing of where it was written. */
  readonly source: string
  /** Address of the frame's script. @default `workers/sandbox.js` beside this script */
  readonly frameUrl?: string | undefined
}

/**
 * Runs code in a worker inside a frame of opaque origin whose policy is `default-src 'none'`: no network, no DOM, none of the page's storage.
 * Each call has a frame of its own, which is taken away, and the worker with it, when the call is over or `context.signal` aborts.
 *
 * The page's own policy holds in the frame too: `script-src` must allow the frame's script, and `worker-src` must allow `blob:`.
 *
 * @throws AlcoveError `permission-denied` where the page's policy forbids the sandbox, or there is no page; `tool-failed` for what the code throws
 */
export async function runInSandbox(code: SandboxCode, input: unknown, context: ToolContext): Promise<unknown> {
  if (typeof document === 'undefined') throw refused('expected a page with a document, got none', 'document')
  const frameUrl = code.frameUrl ?? new URL('./workers/sandbox.js', import.meta.url).href
  const frame = createFrame(new URL(frameUrl, document.baseURI).href)
  const { port1, port2 } = new MessageChannel()
  const cleanUps: (() => void)[] = [() => frame.remove(), () => port1.close()]
  try {
    return await new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => reject(refused(`the frame's script did not run: ${frameUrl}`, 'script-src')),
        OPEN_MS,
      )
      const onReady = ({ source, data }: MessageEvent) => {
        if (source !== frame.contentWindow || source === null || data !== 'alcove-sandbox-ready') return
        clearTimeout(timer)
        const call = { input, callId: context.callId }
        // An opaque origin cannot be named; the window is the frame's own.
        frame.contentWindow?.postMessage({ code: workerCode(code.source), call }, '*', [port2])
      }
      port1.onmessage = ({ data }: MessageEvent<SandboxMessage>) => {
        if (data.type === 'progress') context.report(data.progress)
        else if (data.type === 'result') resolve(data.output)
        else if (data.type === 'error') reject(new AlcoveError('tool-failed', data.message))
        else reject(refused('the worker was not allowed', 'worker-src blob:'))
      }
      addEventListener('message', onReady)
      cleanUps.push(
        () => clearTimeout(timer),
        () => removeEventListener('message', onReady),
        onAbort(context.signal, (signal) => reject(abortError(signal))),
      )
      document.documentElement.append(frame)
    })
  } finally {
    for (const cleanUp of cleanUps) cleanUp()
  }
}

function createFrame(scriptUrl: string): HTMLIFrameElement {
  const frame = document.createElement('iframe')
  frame.setAttribute('sandbox', 'allow-scripts')
  frame.setAttribute('aria-hidden', 'true')
  frame.hidden = true
  // A nonce and no address: the worker could otherwise load that address again, with data in its query.
  const nonce = crypto.getRandomValues(new Uint32Array(4)).join('-')
  const policy = `default-src 'none'; script-src 'nonce-${nonce}'; worker-src blob:`
  const address = scriptUrl.replaceAll('&', '&amp;').replaceAll('"', '&quot;')
  frame.srcdoc = `<!doctype html><meta http-equiv="Content-Security-Policy" content="${policy}"><script nonce="${nonce}" src="${address}"></script>`
  return frame
}

/** A method's text is no expression: it gets an object around it. */
function workerCode(source: string): string {
  const isExpression = /^(async\b\s*)?(function\b|\(|[\w$]+\s*=>)/.test(source)
  const expression = isExpression ? `(${source})` : `Object.values({ ${source} })[0]`
  return `'use strict';const execute = ${expression};\n${HARNESS}`
}

/** Ends the run: no model can mend it. */
function refused(reason: string, directive: string): AlcoveError {
  return new AlcoveError('permission-denied', `The sandbox could not be opened: ${reason}`, {
    hint:
      "The page's Content-Security-Policy must allow workers/sandbox.js in script-src and blob: in worker-src; under COEP require-corp that " +
      'file needs Cross-Origin-Resource-Policy: cross-origin.',
    details: { fatal: true, directive },
  })
}

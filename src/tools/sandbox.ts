import { AlcoveError } from '../protocol/error.js'
import { abortError, onAbort } from '../runtime/abort.js'
import { openSandbox, sandboxRefused } from './open-sandbox.js'
import type { ToolContext } from './tool.js'

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
  const { signal, callId } = context
  const call = { input, callId }
  const sandbox = await openSandbox({ code: workerCode(code.source), call, frameUrl: code.frameUrl, signal })
  let forget = () => {}
  try {
    return await new Promise((resolve, reject) => {
      forget = onAbort(signal, () => reject(abortError(signal)))
      sandbox.port.onmessage = ({ data }: MessageEvent<SandboxMessage | null>) => {
        // The code can send anything.
        if (data?.type === 'progress') context.report(data.progress)
        else if (data?.type === 'result') resolve(data.output)
        else if (data?.type === 'error') reject(new AlcoveError('tool-failed', String(data.message)))
        else if (data?.type === 'blocked') reject(sandboxRefused('the worker was not allowed', 'worker-src blob:'))
      }
    })
  } finally {
    forget()
    sandbox.close()
  }
}

/** A method's text is no expression: it gets an object around it. */
function workerCode(source: string): string {
  const isExpression = /^(async\b\s*)?(function\b|\(|[\w$]+\s*=>)/.test(source)
  const expression = isExpression ? `(${source})` : `Object.values({ ${source} })[0]`
  return `'use strict';const execute = ${expression};\n${HARNESS}`
}

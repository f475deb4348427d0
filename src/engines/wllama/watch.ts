import { AlcoveError, toAlcoveError } from '../../protocol/error.js'
import { probeWasm } from '../weights/wasm-file.js'

const ERROR_LINES = 16
const POLICY_HINT = "A content security policy must allow `worker-src blob:` and `script-src 'wasm-unsafe-eval'`."

/** What is learnt of wllama's worker from outside. */
export interface WorkerWatch {
  /** The last error lines of llama.cpp. */
  readonly lines: string[]
  /** Rejects when the worker could not start or died: wllama itself would then wait for ever. */
  readonly died: Promise<never>
  die(reason: AlcoveError): void
  /** Given to wllama. */
  readonly logger: Record<'debug' | 'log' | 'warn' | 'error', (...args: unknown[]) => void>
  /** Stops listening. */
  close(): void
}

/** Watches wllama's worker by the logger that it is given and by what it leaves unhandled in this thread. */
export function watchWorker(modelId: string): WorkerWatch {
  const lines: string[] = []
  let reject: (reason: AlcoveError) => void = () => {}
  const died = new Promise<never>((_, refuse) => {
    reject = refuse
  })
  died.catch(() => {})
  const die = (reason: AlcoveError) => reject(reason)
  const ignore = () => {}
  const error = (first: unknown) => {
    if (typeof first === 'string') {
      lines.push(first)
      if (lines.length > ERROR_LINES) lines.shift()
    } else if (typeof Event !== 'undefined' && first instanceof Event) {
      const message = (first as ErrorEvent).message || 'it does not say why'
      die(new AlcoveError('model-load-failed', `the worker of ${modelId} failed: ${message}`, { hint: POLICY_HINT }))
    }
  }
  // wllama 3.8.1 takes the reason of an abort for a string; an Error makes its own handler throw, and nobody is told of the abort.
  const unhandled = (event: PromiseRejectionEvent) => {
    if (!/\.replace is not a function/.test(String(event.reason))) return
    event.preventDefault()
    die(
      new AlcoveError(
        'model-load-failed',
        `WebAssembly could not be started for ${modelId}: no memory, or not allowed`,
        {
          hint: `Close other tabs or choose a smaller model. ${POLICY_HINT}`,
        },
      ),
    )
  }
  globalThis.addEventListener?.('unhandledrejection', unhandled)
  return {
    lines,
    died,
    die,
    logger: { debug: ignore, log: ignore, warn: ignore, error },
    close: () => globalThis.removeEventListener?.('unhandledrejection', unhandled),
  }
}

/**
 * Makes sure that the wasm is there: wllama never settles when it is not. Reads its first bytes only.
 * @throws AlcoveError `model-load-failed`, `network`
 */
export async function checkWasm(url: string, signal: AbortSignal): Promise<void> {
  const file = await probeWasm(url, signal).catch((cause) => {
    throw toAlcoveError(cause, 'network', `${url} could not be fetched`)
  })
  if (file.state === 'wasm') return
  const got = file.state === 'missing' ? `status ${file.status}` : 'something else'
  throw new AlcoveError('model-load-failed', `expected the WebAssembly module of wllama at ${url}, got ${got}`, {
    hint: 'Serve the folder of the worker scripts as a whole: wllama/wllama.wasm belongs beside them.',
  })
}

import { CodeSession, type CodeWorker } from './code-session.js'
import { fetchFile, fileUrl } from './sandbox-files.js'

const MAX_FILE_BYTES = 8_000_000

export interface JavascriptSessionOptions {
  readonly workersUrl: string | undefined
  readonly memoryBytes: number
  readonly startMs: number
  readonly timeoutMs: number
  readonly keepState: boolean
}

/** A session whose code runs in QuickJS. */
export function createJavascriptSession(options: JavascriptSessionOptions): CodeSession {
  const { workersUrl, memoryBytes, ...limits } = options
  // An opaque origin can fetch neither.
  async function load(signal: AbortSignal): Promise<CodeWorker> {
    const script =
      workersUrl === undefined
        ? new URL('./workers/sandbox-javascript.js', import.meta.url).href
        : fileUrl(workersUrl, 'sandbox-javascript.js')
    const binary =
      workersUrl === undefined
        ? new URL('./workers/quickjs.wasm', import.meta.url).href
        : fileUrl(workersUrl, 'quickjs.wasm')
    const [code, wasm] = await Promise.all([
      fetchFile(script, signal, MAX_FILE_BYTES),
      fetchFile(binary, signal, MAX_FILE_BYTES),
    ])
    return { code: new TextDecoder().decode(code), call: { type: 'start', wasm, memoryBytes } }
  }
  const frameUrl = workersUrl === undefined ? undefined : fileUrl(workersUrl, 'sandbox.js')
  return new CodeSession({ ...limits, load, frameUrl })
}

import { type CodeTool, createCodeTool } from './code-tool.js'

export type { CodeTool } from './code-tool.js'

export interface JavascriptToolOptions {
  /** @default 'run_javascript' */
  readonly name?: string | undefined
  /** Longest time of the code of one call, in milliseconds. @default 5_000 */
  readonly timeoutMs?: number | undefined
  /** Most memory that the code may use, in bytes. @default 64 MiB */
  readonly memoryBytes?: number | undefined
  /** Whether variables are kept from one call to the next; the worker then lives until `close`. @default false */
  readonly keepState?: boolean | undefined
  /** Most characters of a result that the model is given. @default 4_000 */
  readonly maxCharacters?: number | undefined
  /** Folder of the package's `workers/`. @default beside the script that was loaded */
  readonly workersUrl?: string | undefined
  /** Whether a person must agree to each call. @default false: the code reaches nothing */
  readonly needsApproval?: boolean | undefined
}

/** Time to compile QuickJS, and to fetch it. */
const START_MS = 10_000
const FETCH_MS = 30_000

/**
 * A tool that runs JavaScript in QuickJS (compiled to WebAssembly), in a worker inside a frame of opaque origin: no network, no DOM, no storage,
 * no timers; memory and time are bounded. Gives `{ result, printed }`.
 *
 * The page's policy must allow `workers/sandbox.js` and `'wasm-unsafe-eval'` in `script-src`, `blob:` in `worker-src`, and the package's files in
 * `connect-src`.
 */
export function javascriptTool(options: JavascriptToolOptions = {}): CodeTool {
  const { name = 'run_javascript', timeoutMs = 5000, memoryBytes = 64 << 20, keepState = false } = options
  const { maxCharacters = 4000, workersUrl, needsApproval = false } = options
  return createCodeTool({
    name,
    description: `Runs JavaScript and returns the value of the last expression and what console.log printed. For exact work on numbers, text, lists and dates. No network, files, page or timers. ${keepState ? 'Variables are kept between calls.' : 'Each call starts anew.'}`,
    codeDescription: 'The script, for example: [3, 1, 2].sort().join()',
    timeoutMs: timeoutMs + START_MS + FETCH_MS,
    maxCharacters,
    needsApproval,
    async openSession() {
      const { createJavascriptSession } = await import('./javascript-session.js')
      return createJavascriptSession({ workersUrl, memoryBytes, startMs: START_MS, timeoutMs, keepState })
    },
  })
}

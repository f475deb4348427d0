import { AlcoveError } from '../../protocol/error.js'
import { type CodeTool, createCodeTool } from './code-tool.js'

export type { CodeTool } from './code-tool.js'

export interface PythonToolOptions {
  /**
   * Folder with the files of the npm package `pyodide` (`pyodide.mjs`, `pyodide.asm.mjs`, `pyodide.asm.wasm`, `python_stdlib.zip`,
   * `pyodide-lock.json`), and beside them the wheels of packages that shall be had. 13 MB, fetched with the first call.
   */
  readonly baseUrl: string
  /** @default 'run_python' */
  readonly name?: string | undefined
  /** Packages that are loaded at the start, such as `matplotlib`. Others come with their import. @default none */
  readonly packages?: readonly string[] | undefined
  /** Longest time of the code of one call, with the packages that it imports, in milliseconds. @default 30_000 */
  readonly timeoutMs?: number | undefined
  /** Longest time of Pyodide's start, in milliseconds. @default 60_000 */
  readonly startMs?: number | undefined
  /** Most memory of the interpreter, in bytes. @default 512 MiB */
  readonly memoryBytes?: number | undefined
  /** Whether variables, and the interpreter, are kept from one call to the next. @default true: a start takes seconds */
  readonly keepState?: boolean | undefined
  /** Most characters of a result that the model is given. @default 4_000 */
  readonly maxCharacters?: number | undefined
  /** Folder of the package's `workers/`. @default beside the script that was loaded */
  readonly workersUrl?: string | undefined
  /** Whether a person must agree to each call. @default false: the code reaches nothing */
  readonly needsApproval?: boolean | undefined
}

/** Time to fetch Pyodide. */
const FETCH_MS = 120_000

/**
 * A tool that runs Python in Pyodide, in a worker inside a frame of opaque origin: no network, no DOM, no storage; memory and time are bounded.
 * Gives `{ result, printed, images }`; open figures of matplotlib and values with `_repr_png_` become images. Code that does not end in time
 * is ended with its worker, and its variables are lost.
 *
 * @throws AlcoveError `invalid-argument` without `baseUrl`
 */
export function pythonTool(options: PythonToolOptions): CodeTool {
  const { baseUrl, name = 'run_python', packages = [], timeoutMs = 30_000, startMs = 60_000 } = options
  const { memoryBytes = 512 << 20, keepState = true, maxCharacters = 4000, needsApproval = false } = options
  if (typeof baseUrl !== 'string' || baseUrl === '') {
    throw new AlcoveError('invalid-argument', `pythonTool: expected baseUrl, the folder of Pyodide, got ${baseUrl}`, {
      hint: 'Serve the files of the npm package pyodide from your own site and name that folder.',
    })
  }
  return createCodeTool({
    name,
    description: `Runs Python 3 and returns the value of the last expression, what print wrote, and plots of matplotlib where it is installed. No network, no files. ${keepState ? 'Variables are kept between calls.' : 'Each call starts anew.'}`,
    codeDescription: 'The script, for example: sum(range(10))',
    timeoutMs: timeoutMs + startMs + FETCH_MS,
    maxCharacters,
    needsApproval,
    async openSession() {
      const { createPythonSession } = await import('./python-session.js')
      const { workersUrl } = options
      return createPythonSession({ baseUrl, packages, memoryBytes, workersUrl, startMs, timeoutMs, keepState })
    },
  })
}

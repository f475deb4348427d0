import { AlcoveError } from '../../protocol/error.js'
import { CodeSession, type CodeWorker } from './code-session.js'
import { fetchFile, fileUrl } from './sandbox-files.js'

/** Largest file of Pyodide or of a package. */
const MAX_FILE_BYTES = 64_000_000

/** What the script believes to be its own address. */
const NO_ADDRESS = 'https://pyodide.invalid/pyodide.asm.mjs'

const CORE_FILES = ['pyodide.asm.wasm', 'python_stdlib.zip', 'pyodide-lock.json'] as const

export interface PythonSessionOptions {
  readonly baseUrl: string
  readonly packages: readonly string[]
  readonly memoryBytes: number
  readonly workersUrl: string | undefined
  readonly startMs: number
  readonly timeoutMs: number
  readonly keepState: boolean
}

/** A session whose code runs in Pyodide. */
export function createPythonSession(options: PythonSessionOptions): CodeSession {
  const { baseUrl, packages, memoryBytes, workersUrl, ...limits } = options
  let wheels: ReadonlySet<string> = new Set()

  async function load(signal: AbortSignal): Promise<CodeWorker> {
    const starter =
      workersUrl === undefined
        ? new URL('./workers/sandbox-python.js', import.meta.url).href
        : fileUrl(workersUrl, 'sandbox-python.js')
    const fetchCore = (name: string) => fetchCoreFile(baseUrl, name, signal)
    const [start, library, module, ...data] = await Promise.all([
      fetchFile(starter, signal, MAX_FILE_BYTES),
      fetchCore('pyodide.mjs'),
      fetchCore('pyodide.asm.mjs'),
      ...CORE_FILES.map(fetchCore),
    ])
    const files = Object.fromEntries(CORE_FILES.map((name, at) => [name, data[at]]))
    wheels = fileNames(data[2])
    const code = joinModules(toText(start), toText(module), toText(library))
    return { code, call: { type: 'start', files, packages, memoryBytes } }
  }

  /** Gives packages that Pyodide's own list names: no other address can be asked for. */
  async function readFile(name: string, signal: AbortSignal): Promise<ArrayBuffer> {
    if (!wheels.has(name)) throw new AlcoveError('not-found', `There is no file '${name.slice(0, 100)}'`)
    return await fetchFile(fileUrl(baseUrl, name), signal, MAX_FILE_BYTES)
  }

  const frameUrl = workersUrl === undefined ? undefined : fileUrl(workersUrl, 'sandbox.js')
  return new CodeSession({ ...limits, load, readFile, frameUrl })
}

const toText = (data: ArrayBuffer): string => new TextDecoder().decode(data)

async function fetchCoreFile(baseUrl: string, name: string, signal: AbortSignal): Promise<ArrayBuffer> {
  try {
    return await fetchFile(fileUrl(baseUrl, name), signal, MAX_FILE_BYTES)
  } catch (error) {
    if (!(error instanceof AlcoveError) || signal.aborted) throw error
    throw new AlcoveError(error.code, `Python cannot be had here: ${error.message}`, {
      cause: error,
      hint: "Serve the files of the npm package pyodide from the folder named as baseUrl, and allow it in the page's connect-src.",
    })
  }
}

function fileNames(lock: ArrayBuffer | undefined): Set<string> {
  const { packages = {} } = JSON.parse(lock === undefined ? '{}' : toText(lock)) as {
    packages?: Record<string, { file_name?: unknown }>
  }
  const names = Object.values(packages).map((entry) => entry.file_name)
  return new Set(names.filter((name) => typeof name === 'string').filter((name) => /^[\w.+-]+$/.test(name)))
}

/**
 * One classic script of Pyodide's two modules: in a frame of opaque origin nothing can be imported by its address, and Chromium starts no module
 * worker from a Blob there. Both modules say in their last words what they are called.
 *
 * @throws AlcoveError `version-unsupported` where they do not
 */
export function joinModules(starter: string, module: string, library: string): string {
  const create = /\bexport default ([\w$]+);?\s*$/.exec(module)
  const load = /\bexport\s*\{[^{}]*?\b([\w$]+) as loadPyodide\b[^{}]*\};?\s*(?:\/\/[^\n]*\s*)?$/.exec(library)
  if (create === null || load === null) {
    throw new AlcoveError('version-unsupported', 'This version of Pyodide is built in a way that is not known', {
      hint: 'Serve version 314 of the npm package pyodide.',
    })
  }
  const asFunction = (text: string, { index, 1: name }: RegExpExecArray) =>
    `(() => {${text.slice(0, index).replaceAll('import.meta.url', `'${NO_ADDRESS}'`)}\nreturn ${name}\n})()`
  return `'use strict';${starter}\nalcoveStartPython(${asFunction(library, load)}, ${asFunction(module, create)})\n`
}

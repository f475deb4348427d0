// Runs code in Pyodide, inside a worker of the sandbox's frame: see src/tools/builtin/python-session.ts. Python reaches the worker's own
// globals through its module `js`; what keeps it in is the frame, not the language.

import {
  type CodeFailureCode,
  type CodeOutcome,
  MAX_JSON,
  MAX_PRINTED,
  type RunCode,
} from '../../src/tools/builtin/code-messages.js'

interface Start {
  readonly type: 'start'
  /** Pyodide's files by name. */
  readonly files: Readonly<Record<string, ArrayBuffer>>
  readonly packages: readonly string[]
  readonly memoryBytes: number
}

interface FileAnswer {
  readonly type: 'file'
  readonly name: string
  readonly data?: ArrayBuffer
  readonly error?: string
}

/** As much of Pyodide as is used. */
interface Pyodide {
  setStdout(options: { batched(text: string): void }): void
  setStderr(options: { batched(text: string): void }): void
  loadPackage(names: readonly string[], options: object): Promise<unknown>
  loadPackagesFromImports(code: string, options: object): Promise<unknown>
  runPython(code: string): unknown
  runPythonAsync(code: string, options?: object): Promise<unknown>
}
type LoadPyodide = (options: object) => Promise<Pyodide>

/** An address that leads nowhere: files come from the page. */
const INDEX_URL = 'https://pyodide.invalid/'
const PAGE_BYTES = 65_536

/** Most files that code may ask the page for. */
const MAX_FILES = 300

/** Taken away from the code below, which could flood the page with it. */
const post = globalThis.postMessage.bind(globalThis)
Object.defineProperty(globalThis, 'postMessage', { value: undefined })

/** Gives a value as JSON, and pictures: open figures of matplotlib, and what shows itself as PNG to a notebook. */
const PRELUDE = `
import os
os.environ['MPLBACKEND'] = 'AGG'

def _alcove_encode(value):
    import json
    def plain(field):
        for name in ('tolist', 'isoformat'):
            if callable(getattr(field, name, None)):
                return getattr(field, name)()
        if isinstance(field, (set, frozenset)):
            return list(field)
        return str(field)
    if value is None:
        return ''
    try:
        return json.dumps(value, default=plain, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return json.dumps(str(value))

def _alcove_finish(value):
    import io, sys
    images = []
    plt = sys.modules.get('matplotlib.pyplot')
    if plt is not None:
        for number in plt.get_fignums()[:8]:
            data = io.BytesIO()
            plt.figure(number).savefig(data, format='png')
            images.append(data.getvalue())
        if images:
            plt.close('all')
            value = None
    show = getattr(type(value), '_repr_png_', None)
    if show is not None:
        data = show(value)
        if isinstance(data, bytes):
            images.append(data)
            value = None
    return _alcove_encode(value), images
_alcove_finish
`

/** A value of Python, as JavaScript holds it. */
interface Proxy {
  (value: unknown): Proxy
  toJs(): [json: string, images: Uint8Array[]]
  destroy(): void
}

const messageOf = (error: unknown): string => String((error as { message?: unknown } | null)?.message ?? error)

class Interpreter {
  readonly #files = new Map<string, ArrayBuffer>()
  readonly #waiting = new Map<string, (answer: FileAnswer) => void>()
  readonly #missing = new Set<string>()
  #pyodide: Pyodide | undefined
  #finish: Proxy | undefined
  #printed = ''
  #asked = 0

  async start({ files, packages, memoryBytes }: Start, load: LoadPyodide, createPyodideModule: unknown): Promise<void> {
    for (const [name, data] of Object.entries(files)) this.#files.set(name, data)
    boundMemory(memoryBytes)
    globalThis.fetch = (input) => this.#fetch(String(input instanceof Request ? input.url : input))
    const pyodide = await load({ indexURL: INDEX_URL, packageBaseUrl: INDEX_URL, createPyodideModule })
    const write = (text: string) => {
      const rest = MAX_PRINTED - this.#printed.length
      if (rest > 0) this.#printed += `${text.slice(0, rest)}\n`
    }
    pyodide.setStdout({ batched: write })
    pyodide.setStderr({ batched: write })
    this.#finish = pyodide.runPython(PRELUDE) as Proxy
    this.#pyodide = pyodide
    if (packages.length > 0) await pyodide.loadPackage(packages, { messageCallback: () => {} })
    if (this.#missing.size > 0) throw new Error(this.#missingText())
    this.#files.clear()
  }

  answer(answer: FileAnswer): void {
    this.#waiting.get(answer.name)?.(answer)
    this.#waiting.delete(answer.name)
  }

  async run({ code }: RunCode): Promise<CodeOutcome> {
    this.#printed = ''
    this.#missing.clear()
    const [pyodide, finish] = [this.#pyodide, this.#finish]
    try {
      if (pyodide === undefined || finish === undefined) throw new Error('Python was not started')
      await pyodide.loadPackagesFromImports(code, { messageCallback: () => {} })
      const value = await pyodide.runPythonAsync(code)
      const made = finish(value)
      const [json, images] = made.toJs()
      made.destroy()
      ;(value as Partial<Proxy> | undefined)?.destroy?.()
      if (json.length > MAX_JSON)
        throw new Error(`Its value has ${json.length} characters as JSON: give a smaller one.`)
      const pictures = images.map((bytes) => bytes.slice().buffer as ArrayBuffer)
      return { type: 'done', json: json || undefined, printed: this.#printed, images: pictures }
    } catch (error) {
      return this.#failure(messageOf(error))
    }
  }

  #failure(text: string): CodeOutcome {
    const isMemory = /(^|\n)MemoryError|out of memory/i.test(text)
    const code: CodeFailureCode = isMemory ? 'out-of-memory' : 'tool-failed'
    const missing = this.#missing.size > 0 ? ` ${this.#missingText()}` : ''
    const message = `${shortenTraceback(text)}${missing}`.slice(0, 1000)
    return { type: 'failed', code, message, printed: this.#printed, isBroken: /fatal(ly)? /i.test(text) }
  }

  #missingText(): string {
    return `These files of packages could not be had: ${[...this.#missing].join(', ')}.`
  }

  /** Answers with the page's files. */
  async #fetch(url: string): Promise<Response> {
    const name = url.slice(url.lastIndexOf('/') + 1)
    const headers = { 'content-type': name.endsWith('.wasm') ? 'application/wasm' : 'application/octet-stream' }
    const own = this.#files.get(name)
    if (own !== undefined) return new Response(own, { headers })
    if (++this.#asked > MAX_FILES) throw new TypeError('Too many files were asked for')
    const { data, error } = await new Promise<FileAnswer>((resolve) => {
      this.#waiting.set(name, resolve)
      post({ type: 'file', name })
    })
    if (data !== undefined) return new Response(data, { headers })
    this.#missing.add(name)
    throw new TypeError(error ?? `There is no file ${name}`)
  }
}

/** The last line of a traceback, and the line of the code that it is about. */
function shortenTraceback(text: string): string {
  const lines = text.trimEnd().split('\n')
  const lastFrame = lines.findLastIndex((line) => /^ +File "/.test(line))
  const message = lines
    .slice(lastFrame + 1)
    .filter((line) => !line.startsWith(' '))
    .join(' ')
  const line = [...text.matchAll(/File "<exec>", line (\d+)/g)].at(-1)?.[1]
  return `${message || lines.at(-1) || 'It failed.'}${line === undefined ? '' : ` (line ${line})`}`
}

/** Lets the interpreter's memory grow to so many bytes and no further: allocations beyond it fail as a MemoryError. */
function boundMemory(memoryBytes: number): void {
  const { prototype } = WebAssembly.Memory
  const { grow } = prototype
  prototype.grow = function (this: WebAssembly.Memory, pages: number) {
    if (this.buffer.byteLength + pages * PAGE_BYTES > memoryBytes) throw new RangeError('out of memory')
    return grow.call(this, pages)
  }
}

/** Called by the end of the worker's script, which the page puts together. */
function startPython(load: LoadPyodide, createPyodideModule: unknown): void {
  const interpreter = new Interpreter()
  // Pyodide throws what ends the interpreter (`sys.exit`) a second time, from its event loop.
  addEventListener('unhandledrejection', (event) => event.preventDefault())
  addEventListener('message', ({ data }: MessageEvent<Start | RunCode | FileAnswer>) => {
    if (data.type === 'file') interpreter.answer(data)
    else if (data.type === 'run') interpreter.run(data).then((outcome) => post(outcome))
    else
      interpreter.start(data, load, createPyodideModule).then(
        () => post({ type: 'ready' }),
        (error) => post({ type: 'error', message: messageOf(error) }),
      )
  })
}
Object.assign(globalThis, { alcoveStartPython: startPython })

// Runs code in QuickJS, inside a worker of the sandbox's frame: see src/tools/builtin/javascript.ts. Code that leaves QuickJS would find itself
// where tools of `runsIn: 'sandbox'` are: an opaque origin without network, DOM or storage.

import { EvalFlags, QuickJS } from 'quickjs-wasi'
import { type CodeOutcome, MAX_JSON, MAX_PRINTED, type RunCode } from '../../src/tools/builtin/code-messages.js'

interface Start {
  readonly type: 'start'
  readonly wasm: ArrayBuffer
  readonly memoryBytes: number
}

/** Less than what a worker of any browser has. */
const STACK_BYTES = 128 * 1024

/** Name of the code in stacks. */
const FILE = 'code.js'

/** Runs in the machine first: gives the function that waits for a value and tells it as JSON. */
const PRELUDE = `((write, finish) => {
  'use strict'
  const { stringify } = JSON, { isFinite } = Number, { isView } = ArrayBuffer, toText = String
  const MapClass = Map, SetClass = Set, ErrorClass = Error
  const describe = (error) => error instanceof ErrorClass
    ? toText(error.name) + ': ' + toText(error.message) + lineOf(error) : 'thrown: ' + (encode(error) ?? toText(error))
  const lineOf = ({ stack }) => {
    const found = typeof stack === 'string' ? /${FILE}:(\\d+)/.exec(stack) : null
    return found ? ' (line ' + found[1] + ')' : ''
  }
  const plain = (field) => {
    if (typeof field === 'bigint' || typeof field === 'symbol') return toText(field)
    if (typeof field === 'function') return '[function ' + toText(field.name) + ']'
    if (typeof field === 'number' && !isFinite(field)) return toText(field)
    if (field instanceof ErrorClass) return toText(field.name) + ': ' + toText(field.message)
    return field instanceof MapClass || field instanceof SetClass || isView(field) ? [...field] : field
  }
  const encode = (value) => {
    const parents = []
    return stringify(value, function (_key, given) {
      while (parents.length > 0 && parents[parents.length - 1] !== this) parents.pop()
      const field = plain(given)
      if (typeof field !== 'object' || field === null) return field
      if (parents.includes(field)) return '[circular]'
      parents.push(field)
      return field
    })
  }
  const print = (...values) =>
    write(values.map((value) => (typeof value === 'string' ? value : encode(value) ?? toText(value))).join(' '))
  globalThis.console = { log: print, info: print, warn: print, error: print, debug: print }
  return async (evaluated) => {
    try {
      const { value } = await evaluated
      finish(true, encode(await value) ?? '')
    } catch (error) {
      finish(false, describe(error))
    }
  }
})`

class Machine {
  readonly #vm: QuickJS
  #settle: ReturnType<QuickJS['evalCode']> | undefined
  #deadline = 0
  #isOver = false
  #printed = ''
  #end: { readonly isDone: boolean; readonly text: string } | undefined

  private constructor(vm: QuickJS) {
    this.#vm = vm
  }

  static async create({ wasm, memoryBytes }: Start): Promise<Machine> {
    let machine: Machine | undefined
    const vm = await QuickJS.create({
      wasm,
      memoryLimit: memoryBytes,
      maxStackSize: STACK_BYTES,
      interruptHandler: () => machine?.isOverTime() ?? false,
    })
    machine = new Machine(vm)
    machine.#prepare()
    return machine
  }

  isOverTime(): boolean {
    if (this.#deadline === 0 || performance.now() < this.#deadline) return false
    this.#isOver = true
    return true
  }

  run({ code, timeoutMs }: RunCode): CodeOutcome {
    const vm = this.#vm
    this.#printed = ''
    this.#end = undefined
    this.#isOver = false
    this.#deadline = performance.now() + timeoutMs
    try {
      const evaluated = this.#evaluate(code)
      if (this.#settle === undefined) throw new Error('the machine was not prepared')
      vm.callFunction(this.#settle, vm.undefined, evaluated).dispose()
      evaluated.dispose()
      vm.executePendingJobs()
      return this.#outcome(timeoutMs)
    } catch (error) {
      return this.#failure(error, timeoutMs)
    } finally {
      this.#deadline = 0
    }
  }

  /** Small models write `return` where there is no function. */
  #evaluate(code: string) {
    try {
      return this.#vm.evalCode(code, FILE, EvalFlags.ASYNC)
    } catch (error) {
      if (!/return not in a function/.test(messageOf(error))) throw error
      return this.#vm.evalCode(`({ value: (async () => {${code}\n})() })`, FILE)
    }
  }

  #prepare(): void {
    const vm = this.#vm
    const write = vm.newFunction('write', (text) => {
      const rest = MAX_PRINTED - this.#printed.length
      if (rest > 0 && text !== undefined) this.#printed += `${text.toString().slice(0, rest)}\n`
      return vm.undefined
    })
    const finish = vm.newFunction('finish', (isDone, text) => {
      this.#end = { isDone: isDone?.toBoolean() ?? false, text: text?.toString() ?? '' }
      return vm.undefined
    })
    const prelude = vm.evalCode(PRELUDE, 'prelude.js')
    this.#settle = vm.callFunction(prelude, vm.undefined, write, finish)
    for (const handle of [write, finish, prelude]) handle.dispose()
  }

  #outcome(timeoutMs: number): CodeOutcome {
    const end = this.#end
    if (this.#isOver) return this.#timedOut(timeoutMs)
    if (end === undefined) {
      return this.#failed('tool-failed', 'It waits for something that never comes: there are no timers and no network.')
    }
    if (!end.isDone) return this.#failed(isMemory(end.text) ? 'out-of-memory' : 'tool-failed', end.text)
    if (end.text.length > MAX_JSON) {
      return this.#failed('tool-failed', `Its value has ${end.text.length} characters as JSON: give a smaller one.`)
    }
    return { type: 'done', json: end.text || undefined, printed: this.#printed, images: [] }
  }

  #failure(error: unknown, timeoutMs: number): CodeOutcome {
    if (this.#isOver) return this.#timedOut(timeoutMs)
    const message = messageOf(error)
    const line = /code\.js:(\d+)/.exec(String((error as Error).stack))?.[1]
    const text = `${(error as Error).name}: ${message}${line === undefined ? '' : ` (line ${line})`}`
    // What is no exception of the code's own has left the machine in an unknown state.
    const isOwn = (error as { handle?: unknown }).handle !== undefined
    return this.#failed(isMemory(message) ? 'out-of-memory' : 'tool-failed', text, !isOwn)
  }

  #timedOut(timeoutMs: number): CodeOutcome {
    return this.#failed('timeout', `It did not end within ${timeoutMs} ms.`, true)
  }

  #failed(code: 'timeout' | 'out-of-memory' | 'tool-failed', message: string, isBroken = false): CodeOutcome {
    const isLost = isBroken || code === 'out-of-memory'
    return { type: 'failed', code, message: message.slice(0, 1000), printed: this.#printed, isBroken: isLost }
  }
}

const messageOf = (error: unknown): string => String((error as { message?: unknown } | null)?.message ?? error)

const isMemory = (message: string): boolean => /\bout of memory\b/i.test(message)

let machine: Promise<Machine> | undefined

addEventListener('message', async ({ data }: MessageEvent<Start | RunCode>) => {
  if (data.type === 'start') {
    machine = Machine.create(data)
    machine.then(
      () => postMessage({ type: 'ready' }),
      (error) => postMessage({ type: 'error', message: messageOf(error) }),
    )
    return
  }
  const opened = await machine
  if (opened !== undefined) postMessage(opened.run(data))
})

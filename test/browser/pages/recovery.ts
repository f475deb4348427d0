// Functions for browser tests of what happens when an engine fails under a running answer, in the library's own worker.
import type { ModelSpec } from '../../../src/engines/engine.js'
import type { LlmApi } from '../../../src/engines/serve-model.js'
import { createWorkerModel, type WorkerModelOptions } from '../../../src/engines/worker-model.js'
import { isAlcoveError } from '../../../src/protocol/error.js'
import type { ChatModel, ModelPart, ModelRequest, ModelUsage, Sampling } from '../../../src/protocol/model.js'
import { openWorker } from '../../../src/rpc/open-worker.js'
import { createWorkerHost, type WorkerHost } from '../../../src/rpc/worker-host.js'

export interface RecoverySetup {
  readonly id: string
  readonly spec?: Partial<ModelSpec>
  readonly options?: Pick<WorkerModelOptions, 'retries' | 'silenceMs' | 'drainMs'>
}

interface Opened {
  readonly model: ChatModel
  readonly host: WorkerHost<LlmApi>
  /** Ends the worker as a crash does: nobody is told. */
  crash(): void
  readonly failures: string[]
}

function open({ id, spec, options }: RecoverySetup): Opened {
  let worker: Worker | undefined
  const host = createWorkerHost<LlmApi>({
    name: 'llm',
    open() {
      worker = openWorker(new URL('/dist/workers/llm.worker.js', location.href), 'llm')
      return worker
    },
  })
  const failures: string[] = []
  const own: ModelSpec = {
    id,
    baseUrl: new URL('/models/', location.href).href,
    allowRemote: false,
    hubUrl: 'https://hub.invalid/',
    cacheName: 'recovery-models',
    ...spec,
  }
  const onFailure: WorkerModelOptions['onFailure'] = ({ error, reaction }) => failures.push(`${error.code} ${reaction}`)
  return {
    model: createWorkerModel({ spec: own, host, onFailure, ...options }),
    host,
    crash: () => worker?.terminate(),
    failures,
  }
}

export interface Told {
  readonly text: string
  readonly statuses: readonly string[]
  readonly positions: readonly number[]
  readonly usage: ModelUsage | undefined
  readonly finish: string | undefined
  readonly error: string | undefined
}

async function read(
  model: ChatModel,
  request: ModelRequest,
  {
    signal,
    onPart,
  }: { signal?: AbortSignal | undefined; onPart?: (part: ModelPart, deltas: number) => void | Promise<void> } = {},
): Promise<Told> {
  const parts: ModelPart[] = []
  let deltas = 0
  let error: string | undefined
  try {
    const reader = model.stream(request, { signal }).getReader()
    for (;;) {
      const { done, value } = await reader.read()
      if (done) break
      parts.push(value)
      if (value.type === 'text-delta') deltas++
      await onPart?.(value, deltas)
    }
  } catch (failure) {
    error = isAlcoveError(failure) ? failure.code : `not typed: ${String(failure)}`
  }
  const statuses = parts.filter((part) => part.type === 'status')
  return {
    text: parts.map((part) => (part.type === 'text-delta' ? part.text : '')).join(''),
    statuses: [...new Set(statuses.map(({ status }) => status))],
    positions: statuses.flatMap(({ position }) => (position === undefined ? [] : [position])),
    usage: parts.find((part) => part.type === 'model-usage')?.usage,
    finish: parts.find((part) => part.type === 'model-finish')?.reason,
    error,
  }
}

const ask = (content: string, sampling: Sampling = {}): ModelRequest => ({
  messages: [{ role: 'user', content }],
  sampling: { temperature: 0, maxTokens: 60, ...sampling },
})
const ONCE = 'Once upon a time'

declare global {
  interface Window {
    /** Called by the page when the answer under test has begun: the test then does its worst. */
    doHarm?: () => Promise<void>
  }
}

/** What an answer gives when harm is done after its fifth delta, and what the next one gives; against an answer that nobody disturbed. */
export async function disturb(setup: RecoverySetup, harm: 'crash' | 'test', maxTokens = 60) {
  const { model, host, crash, failures } = open(setup)
  try {
    const whole = await read(model, ask(ONCE, { maxTokens }))
    let harmedAt = 0
    let recoveredAt = 0
    const told = await read(model, ask(ONCE, { maxTokens }), {
      async onPart(part, deltas) {
        if (part.type === 'status' && part.status === 'recovered') recoveredAt = performance.now()
        if (deltas !== 5 || harmedAt > 0) return
        harmedAt = performance.now()
        if (harm === 'crash') return crash()
        // A reader that takes nothing holds the engine up, which is faster than the test's way to its worker.
        await window.doHarm?.()
        await new Promise((resolve) => setTimeout(resolve, 300))
      },
    })
    const next = await read(model, ask(ONCE, { maxTokens: 4 }))
    const foundMs = recoveredAt - harmedAt
    return { whole, told, next, restarts: host.restarts, failures, foundMs, device: model.device }
  } finally {
    await host.close()
  }
}

/** A load, with harm at its first report or when the model starts; then an answer. */
export async function disturbLoad(setup: RecoverySetup, harm: 'crash' | 'none', at: 'first' | 'start') {
  const { model, host, crash, failures } = open(setup)
  try {
    const messages: string[] = []
    let isHarmed = false
    const began = performance.now()
    await model.load({
      onProgress({ status, message, loadedBytes = 0, totalBytes = 0 }) {
        messages.push(`${status}: ${message}`)
        if (isHarmed || (at === 'start' && (totalBytes === 0 || loadedBytes < totalBytes))) return
        isHarmed = true
        if (harm === 'crash') crash()
      },
    })
    const loadMs = performance.now() - began
    const told = await read(model, ask(ONCE, { maxTokens: 8 }))
    return { messages, told, restarts: host.restarts, failures, loadMs }
  } finally {
    await host.close()
  }
}

/** A worker that dies between two answers: noticed before the next one is asked for, or not. */
export async function dieBetween(setup: RecoverySetup) {
  const { model, host, crash, failures } = open(setup)
  try {
    const first = await read(model, ask(ONCE, { maxTokens: 12 }))
    crash()
    while (host.state === 'ready') await new Promise((resolve) => setTimeout(resolve, 5))
    const noticed = await read(model, ask(ONCE, { maxTokens: 12 }))
    crash()
    const unnoticed = await read(model, ask(ONCE, { maxTokens: 12 }))
    return { first, noticed, unnoticed, restarts: host.restarts, failures }
  } finally {
    await host.close()
  }
}

/** A worker that dies under one answer while two others wait for it. */
export async function dieBefore(setup: RecoverySetup) {
  const { model, host, crash } = open(setup)
  try {
    const questions = [ONCE, 'One day', 'There was'] as const
    const alone: string[] = []
    for (const question of questions) alone.push((await read(model, ask(question, { maxTokens: 40 }))).text)
    let isHarmed = false
    const onPart = async (_part: ModelPart, deltas: number) => {
      if (deltas < 5 || isHarmed) return
      isHarmed = true
      // Until then the engine is held up by this reader, and the others wait.
      await new Promise((resolve) => setTimeout(resolve, 100))
      crash()
    }
    const together = await Promise.all(
      questions.map((question, at) => read(model, ask(question, { maxTokens: 40 }), at === 0 ? { onPart } : {})),
    )
    return { alone, together, restarts: host.restarts }
  } finally {
    await host.close()
  }
}

/** An answer under which the test does its worst more than once: after so many deltas each time. */
export async function disturbTwice(setup: RecoverySetup, deltasBetween: number, maxTokens: number) {
  const { model, host, failures } = open(setup)
  try {
    const whole = await read(model, ask(ONCE, { maxTokens }))
    let harms = 0
    const told = await read(model, ask(ONCE, { maxTokens }), {
      async onPart(part, deltas) {
        if (part.type !== 'text-delta' || deltas < deltasBetween * (harms + 1) || harms === 2) return
        harms++
        await window.doHarm?.()
        await new Promise((resolve) => setTimeout(resolve, 300))
      },
    })
    const next = await read(model, ask(ONCE, { maxTokens: 4 }))
    return { whole, told, next, harms, failures, device: model.device }
  } finally {
    await host.close()
  }
}

/** One answer, with what went wrong on the way. */
export async function answerOnce(setup: RecoverySetup, question: string, maxTokens: number) {
  const { model, host, failures } = open(setup)
  try {
    const told = await read(model, ask(question, { maxTokens }))
    const next = await read(model, ask(question, { maxTokens: 4 }))
    return { told, next, failures, restarts: host.restarts, contextTokens: model.contextTokens, device: model.device }
  } finally {
    await host.close()
  }
}

/** Four answers at once: the third leaves the queue, the background one goes last. */
export async function crowd(setup: RecoverySetup) {
  const { model, host } = open(setup)
  try {
    await model.load()
    const order: string[] = []
    const leaving = new AbortController()
    const start = async (name: string, request: ModelRequest, signal?: AbortSignal) => {
      const told = await read(model, request, { signal })
      order.push(name)
      return told
    }
    const running = start('running', ask(ONCE, { maxTokens: 80 }))
    const background = start('background', { ...ask('One day', { maxTokens: 4 }), priority: 'background' })
    const left = start('left', ask('The end', { maxTokens: 4 }), leaving.signal)
    const urgent = start('urgent', ask('There was', { maxTokens: 4 }))
    while (host.state !== 'ready') await new Promise((resolve) => setTimeout(resolve, 5))
    await new Promise((resolve) => setTimeout(resolve, 50))
    leaving.abort()
    const alone = async (text: string) => read(model, ask(text, { maxTokens: 4 }))
    const all = await Promise.all([running, background, left, urgent])
    return { all, order, alone: [await alone('One day'), await alone('There was')] }
  } finally {
    await host.close()
  }
}

/** Conversations that share their instructions, one after the other; and each of them again. */
export async function share(setup: RecoverySetup, instructions: string, questions: readonly string[]) {
  const { model, host } = open(setup)
  try {
    const usages: (ModelUsage | undefined)[] = []
    for (const question of [...questions, ...questions]) {
      const messages = [
        { role: 'system' as const, content: instructions },
        { role: 'user' as const, content: question },
      ]
      usages.push((await read(model, { messages, sampling: { temperature: 0, maxTokens: 4 } })).usage)
    }
    return usages
  } finally {
    await host.close()
  }
}

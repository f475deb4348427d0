// Functions for browser tests of constrained answers: real engines are held to forms. Each returns plain data.
import { constrainCalls } from '../../../src/agents/constrain.js'
import { hermesDialect } from '../../../src/agents/dialect/hermes.js'
import type { ModelSpec } from '../../../src/engines/engine.js'
import type { LlmApi } from '../../../src/engines/serve-model.js'
import { createWllamaChat } from '../../../src/engines/wllama/chat.js'
import { createWorkerModel } from '../../../src/engines/worker-model.js'
import { isAlcoveError } from '../../../src/protocol/error.js'
import type {
  ChatModel,
  ModelRequest,
  ModelUsage,
  OutputConstraint,
  ToolChoice,
  ToolDescription,
} from '../../../src/protocol/model.js'
import { createWorkerHost } from '../../../src/rpc/worker-host.js'
import { iterate } from '../../../src/runtime/stream.js'

export interface ConstrainedSetup {
  /** `transformers:<folder>`, or `wllama:<folder>/<file.gguf>`. */
  readonly id: string
  /** Folder of the models, such as `/models/`. */
  readonly models: string
  /** Folder of ONNX Runtime's files (`transformers:` only). */
  readonly runtime?: string
  /** Address of `wllama.wasm` (`wllama:` only). */
  readonly wasmUrl?: string
}

export interface ConstrainedAnswer {
  readonly text: string
  readonly reason: string | undefined
  readonly error: string | undefined
  readonly usage: ModelUsage | undefined
  readonly ms: number
}

/** What a model is asked to call. */
export interface CallQuestion {
  readonly question: string
  readonly tools: readonly ToolDescription[]
  readonly toolChoice: ToolChoice
  /** False: the model is only asked, not held to it. */
  readonly isConstrained: boolean
  readonly maxTokens: number
}

const absolute = (path: string) => new URL(path, location.href).href

function open({ id, models, runtime = '/', wasmUrl = '/' }: ConstrainedSetup) {
  const spec: ModelSpec = {
    id,
    baseUrl: absolute(models),
    allowRemote: false,
    hubUrl: 'https://hub.invalid/',
    cacheName: 'constrained-test-models',
  }
  if (id.startsWith('wllama:')) {
    const model = createWllamaChat({ wasmUrl: absolute(wasmUrl) }).create(spec)
    return { model, close: () => model.dispose() }
  }
  const host = createWorkerHost<LlmApi>({
    name: 'constrained-test',
    open: () =>
      new Worker(new URL('./transformers.worker.ts', import.meta.url), { type: 'module', name: absolute(runtime) }),
  })
  return { model: createWorkerModel({ spec, host }), close: () => host.close() }
}

async function ask(model: ChatModel, request: ModelRequest): Promise<ConstrainedAnswer> {
  const began = performance.now()
  let text = ''
  let reason: string | undefined
  let error: string | undefined
  let usage: ModelUsage | undefined
  try {
    for await (const part of iterate(model.stream(request))) {
      if (part.type === 'text-delta') text += part.text
      else if (part.type === 'model-usage') usage = part.usage
      else if (part.type === 'model-finish') reason = part.reason
    }
  } catch (thrown) {
    error = isAlcoveError(thrown) ? `${thrown.code}: ${thrown.message}` : `not typed: ${String(thrown)}`
  }
  return { text, reason, error, usage, ms: performance.now() - began }
}

/** One model answers the same question in each of several forms; `undefined` is no form. */
export async function answerInForms(
  setup: ConstrainedSetup,
  forms: readonly (OutputConstraint | undefined)[],
  sampling: ModelRequest['sampling'],
  question = 'Give an example.',
): Promise<ConstrainedAnswer[]> {
  const { model, close } = open(setup)
  try {
    await model.load()
    const answers: ConstrainedAnswer[] = []
    for (const output of forms) {
      answers.push(await ask(model, { messages: [{ role: 'user', content: question }], sampling, output }))
    }
    return answers
  } finally {
    await close()
  }
}

/** One model answers questions that want calls, in the `hermes` format. */
export async function answerWithCalls(
  setup: ConstrainedSetup,
  questions: readonly CallQuestion[],
): Promise<ConstrainedAnswer[]> {
  const { model, close } = open(setup)
  try {
    await model.load()
    const answers: ConstrainedAnswer[] = []
    for (const { question, tools, toolChoice, isConstrained, maxTokens } of questions) {
      const messages = hermesDialect.format({
        messages: [{ role: 'user', content: question }],
        tools,
        toolChoice,
        final: false,
        language: 'en',
      })
      const { grammar } = model.capabilities
      const output = isConstrained
        ? constrainCalls({ tools, toolChoice, dialect: 'hermes', grammar, maxCalls: 1, isWeak: true })
        : undefined
      answers.push(await ask(model, { messages, output, sampling: { temperature: 0, maxTokens } }))
    }
    return answers
  } finally {
    await close()
  }
}

import { loadAlcove } from './lib/alcove.js'
import { missingModel, openClient } from './lib/client.js'
import { openEngine, timeAnswer } from './lib/engine-model.js'
import { type BenchContext, type Figure, measureOf, type Report } from './lib/result.js'
import { sleep, timeOf } from './lib/rounds.js'
import { summarize } from './lib/statistics.js'
import { measureUnloading } from './lib/unloading.js'

export const what =
  'A chat engine that fails under a running answer: time until the same stream goes on. Aborts, another model on the same page, and memory after loading and unloading.'

/** What the driver lets this page do. */
interface Driver {
  /** Crashes the GPU process. */
  crashGpu?(): Promise<void>
  /** Lets the model workers of this page end themselves, and tells nobody. */
  endWorkers?(): Promise<void>
  /** Lets the model workers of this page loop for ever. */
  freezeWorkers?(): Promise<void>
  /** Memory of all processes of the browser that is not shared with files, in bytes. */
  readMemory?(): Promise<number>
}
const driver = () => globalThis as unknown as Driver

type Device = 'wasm' | 'webgpu'
interface Engine {
  readonly name: string
  readonly folder: string
  readonly id: string
  readonly device: Device
  /** Of an answer that must not be over before the harm has reached the engine. @default 60 */
  readonly maxTokens?: number
}
const CHAT: Engine = {
  name: 'SmolLM2-135M-Instruct, transformers.js on WebAssembly',
  folder: 'SmolLM2-135M-Instruct',
  id: 'transformers:SmolLM2-135M-Instruct',
  device: 'wasm',
}
const GGUF: Engine = {
  name: 'stories260K, wllama',
  folder: 'stories260K',
  id: 'wllama:stories260K/stories260K.gguf',
  device: 'wasm',
  maxTokens: 300,
}
const GPU: Engine = {
  name: 'stories260K, transformers.js on software WebGPU',
  folder: 'stories260K',
  id: 'transformers:stories260K',
  device: 'webgpu',
}
/** A self-hosted model of WebLLM, where one was made (`ALCOVE_MLC_DIR`): any folder with a library of its own. */
const mlcEngine = ({ models }: BenchContext): Engine | undefined => {
  const folder = models.find((name) => name.endsWith('-MLC'))
  return folder === undefined
    ? undefined
    : { name: `${folder}, WebLLM on software WebGPU`, folder, id: `webllm:${folder}`, device: 'webgpu' }
}

interface Harm {
  readonly what: string
  /** The reader takes nothing until this has ended, which holds the engine up until the harm has reached it. */
  do(crash: () => void): void | Promise<void>
}
const kill: Harm = { what: 'A worker killed from outside', do: (crash) => crash() }
const end: Harm = { what: 'A worker that ends itself', do: () => driver().endWorkers?.() }
const crashGpu: Harm = { what: 'A crashed GPU process', do: () => driver().crashGpu?.() }
const freeze: Harm = {
  what: 'A worker in a loop without end',
  async do() {
    // The loop never answers that it has begun.
    await driver().freezeWorkers?.()
    await sleep(200)
  },
}

/** Long enough that its reading tells how fast prompts are read here, without which a hang is waited for longer. */
const PROMPT = `${'One day a little girl found a big red ball in the park and she was very happy. '.repeat(3)}Once upon a time`

/** WebLLM's tokenizer drops the space before the first word that it decodes, which is in the middle of a text that goes on. */
const lettersOf = (text: string) => text.replaceAll(' ', '')

interface Recovered {
  /** From the harm until the engine was given up. */
  readonly foundMs: number
  /** From then until the stream said that it goes on, and until its next text. */
  readonly saidMs: number
  readonly textMs: number
  /** A load from this device in a new worker, with the first text of the same prompt. */
  readonly firstMs: number
}

/** Does harm at the fifth delta of an answer, and waits for the end of the same stream. */
async function recover(context: BenchContext, { id, device, maxTokens = 60 }: Engine, harm: Harm): Promise<Recovered> {
  const request = {
    messages: [{ role: 'user' as const, content: PROMPT }],
    sampling: { temperature: 0, maxTokens },
  }
  let foundAt = 0
  const { model, host, crash } = openEngine(context, id, { device }, () => {
    foundAt ||= performance.now()
  })
  try {
    const whole = await timeAnswer(model, request)
    let harmedAt = 0
    let saidAt = 0
    let textAt = 0
    const told = await timeAnswer(model, request, {
      onPart(part, deltas) {
        if (part.type === 'status' && part.status === 'recovered') saidAt ||= performance.now()
        else if (part.type === 'text-delta' && saidAt > 0) textAt ||= performance.now()
        if (deltas !== 5 || harmedAt > 0) return
        harmedAt = performance.now()
        return harm.do(crash)
      },
    })
    if (saidAt === 0) throw new Error('expected a recovered stream, got one that nothing had happened to')
    if (lettersOf(told.text) !== lettersOf(whole.text)) throw new Error('expected the same text as without the failure')
    return { foundMs: foundAt - harmedAt, saidMs: saidAt - foundAt, textMs: textAt - foundAt, firstMs: whole.firstMs }
  } finally {
    await host.close()
  }
}

function figuresOf(name: string, rounds: readonly Recovered[], goalMs: number | undefined): Figure[] {
  const measured = (pick: (round: Recovered) => number) => measureOf(summarize(rounds.map(pick)))
  return [
    {
      what: `${name}: until it is found`,
      unit: 'ms',
      ...measured(({ foundMs }) => foundMs),
      ...(goalMs !== undefined && { goal: { on: 'max', most: goalMs } as const }),
    },
    {
      what: `${name}: from then until the stream says that it goes on`,
      unit: 'ms',
      ...measured(({ saidMs }) => saidMs),
      goal: { on: 'max', most: 5_000 },
    },
    {
      what: `${name}: from then until the next text`,
      unit: 'ms',
      ...measured(({ textMs }) => textMs),
      baselines: [{ what: 'a first load from this device to the first text', ...measured(({ firstMs }) => firstMs) }],
    },
  ]
}

async function measureRecovery(context: BenchContext, engine: Engine, harm: Harm, count: number, goalMs?: number) {
  // The files are on this device from here on.
  const earlier = openEngine(context, engine.id, { device: engine.device })
  await earlier.model.load()
  await earlier.host.close()
  const rounds: Recovered[] = []
  for (let round = 0; round < (context.quick ? 1 : count); round++) rounds.push(await recover(context, engine, harm))
  return figuresOf(`${harm.what}, ${engine.name}`, rounds, goalMs)
}

/** An abort in the middle of an answer: until the same model has the first text of another, short one. */
async function measureAbort(context: BenchContext, { id, device, name }: Engine): Promise<Figure[]> {
  const { model, host } = openEngine(context, id, { device })
  const short = { messages: [{ role: 'user' as const, content: 'Hi' }], sampling: { temperature: 0, maxTokens: 1 } }
  const long = { messages: [{ role: 'user' as const, content: PROMPT }], sampling: { temperature: 0, maxTokens: 200 } }
  const aborted: number[] = []
  const undisturbed: number[] = []
  for (let round = -1; round < (context.quick ? 1 : 5); round++) {
    const before = (await timeAnswer(model, short)).firstMs
    const controller = new AbortController()
    let abortedAt = 0
    const onPart = (_part: unknown, deltas: number) => {
      if (deltas < 5 || abortedAt > 0) return
      abortedAt = performance.now()
      controller.abort()
    }
    await timeAnswer(model, long, { signal: controller.signal, onPart }).catch(() => {})
    if (abortedAt === 0) throw new Error('expected an answer of more than five pieces')
    await timeAnswer(model, short)
    if (round < 0) continue
    aborted.push(performance.now() - abortedAt)
    undisturbed.push(before)
  }
  await host.close()
  return [
    {
      what: `From an abort in an answer to the first text of the next, ${name}`,
      unit: 'ms',
      ...measureOf(summarize(aborted)),
      baselines: [{ what: 'the same with no answer under way', ...measureOf(summarize(undisturbed)) }],
    },
  ]
}

/** From `models.use` to the first text of the other model, on one page; against a client that begins with that model. */
async function measureSwitch(context: BenchContext): Promise<Figure[]> {
  const library = await loadAlcove()
  const options = { storage: { name: 'bench-switch' } }
  const ask = async (client: ReturnType<typeof openClient>) => {
    const agent = client.agent({ sampling: { temperature: 0, maxTokens: 1 } })
    return (await agent.generate(PROMPT)).text
  }
  const client = openClient(library, context, { ...options, model: GGUF.id })
  await ask(client)
  const switched: number[] = []
  const fresh: number[] = []
  for (let round = -1; round < (context.quick ? 1 : 3); round++) {
    const own = await timeOf(async () => {
      await client.models.use('chat', CHAT.id)
      await ask(client)
    })
    await client.models.use('chat', GGUF.id)
    const other = openClient(library, context, { ...options, model: CHAT.id })
    const first = await timeOf(() => ask(other))
    await other.close()
    if (round < 0) continue
    switched.push(own)
    fresh.push(first)
  }
  await client.close()
  return [
    {
      what: `From models.use to the first text of the other model, ${CHAT.name}, in place of ${GGUF.name}`,
      unit: 'ms',
      ...measureOf(summarize(switched)),
      baselines: [{ what: 'a client that begins with that model', ...measureOf(summarize(fresh)) }],
    },
  ]
}

interface Part {
  /** Folders of models that it needs. */
  readonly needs: readonly string[]
  measure(context: BenchContext): Promise<Figure[]>
}

/** A death is seen by the lock that the worker held; a loop by a silence of 30 seconds, since a slow device is no dead one. */
const DEATH_MS = 1_000

const part = (engine: Engine, measure: Part['measure']): Part => ({ needs: [engine.folder], measure })
const killed = (engine: Engine) =>
  part(engine, async (context) => {
    const figures: Figure[] = []
    figures.push(...(await measureRecovery(context, engine, kill, 3, DEATH_MS)))
    figures.push(...(await measureRecovery(context, engine, end, 1, DEATH_MS)))
    return figures
  })
const crashed = (engine: Engine) => part(engine, (context) => measureRecovery(context, engine, crashGpu, 1, DEATH_MS))
const frozen = (engine: Engine) => part(engine, (context) => measureRecovery(context, engine, freeze, 1))
const unloaded = (engine: Engine) =>
  part(engine, async (context) => {
    const { readMemory } = driver()
    if (!readMemory) throw new Error('the memory of processes can be read on Linux only')
    return measureUnloading(context, engine, readMemory)
  })

function partsOf(context: BenchContext): Record<string, Part> {
  const mlc = mlcEngine(context)
  return {
    'killed-transformers': killed(CHAT),
    'killed-wllama': killed(GGUF),
    'crashed-gpu': crashed(GPU),
    'aborted-transformers': part(CHAT, (context) => measureAbort(context, CHAT)),
    'aborted-wllama': part(GGUF, (context) => measureAbort(context, GGUF)),
    switched: { needs: [CHAT.folder, GGUF.folder], measure: measureSwitch },
    // Waits, both of which the driver makes at one time.
    'frozen-transformers': frozen(CHAT),
    'frozen-wllama': frozen(GGUF),
    // Bytes do not depend on what else runs: side by side too.
    'unloaded-transformers': unloaded(CHAT),
    'unloaded-wllama': unloaded(GGUF),
    'unloaded-gpu': unloaded(GPU),
    ...(mlc && { 'killed-webllm': killed(mlc), 'crashed-webllm': crashed(mlc), 'unloaded-webllm': unloaded(mlc) }),
  }
}

/** Parts, each of which the driver gives a browser of its own: what one leaves behind is not measured with the next. */
export const partNames = (context: BenchContext): string[] => Object.keys(partsOf(context))

export const notes = [
  'The failure comes after the fifth piece of text; the same stream then goes on, and ends with the same text as one that nobody disturbed.',
  'The GPU is a software one (SwiftShader), and its process is crashed once in a browser: after a second time Chromium offers none.',
  'Memory is resident and not shared with files, of all processes of the browser, from /proc; garbage is collected on the page before it is read.',
]

/** Measures one part in this page. */
export async function run(context: BenchContext): Promise<Report> {
  const own = partsOf(context)[context.part ?? '']
  if (own === undefined) throw new Error('expected the driver to name a part')
  const missing = own.needs.map((folder) => missingModel(context, folder)).filter((reason) => reason !== undefined)
  if (missing.length > 0) return { figures: [], notes: [], skipped: missing }
  return { figures: await own.measure(context), notes: [] }
}

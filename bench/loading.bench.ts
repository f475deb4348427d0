import { type Remote, wrap } from 'comlink'
import { missingModel } from './lib/client.js'
import { openEngine } from './lib/engine-model.js'
import { keepSoFar } from './lib/keep.js'
import { type BenchContext, type Figure, measureOf, type Report } from './lib/result.js'
import { takeTurns, timeOf } from './lib/rounds.js'
import { summarize } from './lib/statistics.js'
import type { LoadingApi, Place } from './loading.worker.js'
import type { OwnCacheApi, OwnModel } from './own-cache.worker.js'

export const what =
  'Loading a model from this device, and for the first time: whole, in a new worker, against the engine with a cache of its own; and a file of it alone.'

const CHAT = 'SmolLM2-135M-Instruct'
const STORY = 'stories260K'

interface ModelCase {
  readonly name: string
  readonly folder: string
  readonly id: string
  readonly own: Omit<OwnModel, 'modelsUrl' | 'runtimeUrl'>
  readonly baseline: string
  readonly hasGoal: boolean
}

const models: readonly ModelCase[] = [
  {
    name: `${CHAT} (100 MB), transformers.js on WebAssembly`,
    folder: CHAT,
    id: `transformers:${CHAT}`,
    own: { engine: 'transformers', folder: CHAT, dtype: 'q4' },
    baseline: 'transformers.js with its own cache (Cache API)',
    hasGoal: true,
  },
  {
    name: `${STORY} (1.2 MB), transformers.js on WebAssembly`,
    folder: STORY,
    id: `transformers:${STORY}`,
    own: { engine: 'transformers', folder: STORY, dtype: 'fp32' },
    baseline: 'transformers.js with its own cache (Cache API)',
    hasGoal: false,
  },
  {
    name: `${STORY} (1.2 MB), wllama`,
    folder: STORY,
    id: `wllama:${STORY}/${STORY}.gguf`,
    own: { engine: 'wllama', folder: STORY, file: `${STORY}.gguf` },
    baseline: 'wllama with its own cache (OPFS)',
    hasGoal: false,
  },
]

/** From a new worker to a model that is ready. */
async function loadOurs(context: BenchContext, id: string): Promise<number> {
  const { model, host } = openEngine(context, id, { cacheName: 'bench-loading-models', device: 'wasm' })
  try {
    return await timeOf(() => model.load())
  } finally {
    await host.close()
  }
}

async function loadOwn(context: BenchContext, model: ModelCase['own']): Promise<number> {
  const runtimeUrl = new URL('/dist/workers/', globalThis.location.href).href
  const began = performance.now()
  const worker = new Worker(new URL('./own-cache.worker.ts', import.meta.url), { type: 'module' })
  try {
    const api = wrap<OwnCacheApi>(worker)
    await api.load({ ...model, modelsUrl: context.modelsUrl ?? '', runtimeUrl })
    return performance.now() - began
  } finally {
    worker.terminate()
  }
}

async function measureModel(context: BenchContext, { name, id, own, baseline, hasGoal }: ModelCase): Promise<Figure> {
  const samples = await takeTurns(
    { ours: () => loadOurs(context, id), theirs: () => loadOwn(context, own) },
    { rounds: context.quick ? 1 : 7, warmUp: 1 },
  )
  return {
    what: `From a new worker to a model that is ready, its files on this device: ${name}`,
    unit: 'ms',
    ...measureOf(summarize(samples.ours)),
    baselines: [{ what: baseline, ...measureOf(summarize(samples.theirs)) }],
    ...(hasGoal && { goal: { on: 'ratio', most: 1 } as const }),
  }
}

const files = [
  { folder: CHAT, file: 'onnx/model_q4.onnx', isLarge: true },
  { folder: 'all-MiniLM-L6-v2', file: 'onnx/model_quantized.onnx', isLarge: false },
] as const

async function measureFile(api: Remote<LoadingApi>, place: Place, rounds: number): Promise<Figure[]> {
  const turns = (isFirst: boolean) =>
    takeTurns(
      {
        files: () => api.open('files', { ...place, isFirst }),
        whole: () => api.open('whole', { ...place, isFirst }),
        pieces: () => api.open('pieces', { ...place, isFirst }),
      },
      { rounds, warmUp: 1 },
    )
  const first = await turns(true)
  const again = await turns(false)
  await api.clear(place)
  const size = `${Math.round(place.bytes / 1e6)} MB of ${place.folder}`
  const figureOf = (words: string, samples: typeof first): Figure => ({
    what: `${words}, ${size}`,
    unit: 'ms',
    ...measureOf(summarize(samples.files)),
    baselines: [
      { what: 'one entry of the Cache API, as transformers.js does', ...measureOf(summarize(samples.whole)) },
      { what: 'our loader over the Cache API, in pieces', ...measureOf(summarize(samples.pieces)) },
    ],
  })
  return [
    figureOf('A file alone into one buffer, from this device', again),
    figureOf('A file alone, first load from a server on this machine', first),
  ]
}

/** Runs the benchmark in this page. */
export async function run(context: BenchContext): Promise<Report> {
  const figures: Figure[] = []
  const skipped: string[] = []
  const notes = [
    'A whole load is: worker, library, runtime, tokenizer and weights; the same options for both; they take turns.',
    'The loader hashes each piece as it comes and can go on after a kill; one entry of the Cache API is all or nothing.',
    'The files were read just before, so that they are in the memory of the system: what is measured is the way, not the disk.',
  ]
  for (const model of models) {
    const missing = missingModel(context, model.folder)
    if (missing === undefined) figures.push(await measureModel(context, model))
    else skipped.push(missing)
    await keepSoFar(what, { figures, notes, skipped })
  }
  const worker = new Worker(new URL('./loading.worker.ts', import.meta.url), { type: 'module' })
  const api: Remote<LoadingApi> = wrap<LoadingApi>(worker)
  for (const { folder, file, isLarge } of files) {
    if (context.quick && isLarge) continue
    const missing = missingModel(context, folder)
    if (missing !== undefined) {
      skipped.push(missing)
      continue
    }
    const modelsUrl = context.modelsUrl ?? ''
    const head = await fetch(`${modelsUrl}${folder}/${file}`, { method: 'HEAD' })
    const bytes = Number(head.headers.get('content-length'))
    figures.push(...(await measureFile(api, { modelsUrl, folder, file, bytes }, context.quick ? 1 : 5)))
    await keepSoFar(what, { figures, notes, skipped })
  }
  worker.terminate()
  return { figures, notes, skipped: [...new Set(skipped)] }
}

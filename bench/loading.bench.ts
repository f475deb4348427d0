import { type Remote, wrap } from 'comlink'
import { missingModel } from './lib/client.js'
import { type BenchContext, type Figure, measureOf, type Report } from './lib/result.js'
import { takeTurns } from './lib/rounds.js'
import { summarize } from './lib/statistics.js'
import type { LoadingApi, Place } from './loading.worker.js'

export const what =
  'A model file into one buffer of a worker: from this device, and for the first time, by our loader and as transformers.js keeps files.'

const cases = [
  { folder: 'SmolLM2-135M-Instruct', file: 'onnx/model_q4.onnx', isLarge: true },
  { folder: 'all-MiniLM-L6-v2', file: 'onnx/model_quantized.onnx', isLarge: false },
] as const

async function measureCase(api: Remote<LoadingApi>, place: Place, rounds: number): Promise<Figure[]> {
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
    { ...figureOf('Load from this device', again), goal: { on: 'ratio', most: 1 } },
    figureOf('First load, from a server on this machine', first),
  ]
}

/** Runs the benchmark in this page. */
export async function run(context: BenchContext): Promise<Report> {
  const worker = new Worker(new URL('./loading.worker.ts', import.meta.url), { type: 'module' })
  const api: Remote<LoadingApi> = wrap<LoadingApi>(worker)
  const figures: Figure[] = []
  const skipped: string[] = []
  for (const { folder, file, isLarge } of cases) {
    if (context.quick && isLarge) continue
    const missing = missingModel(context, folder)
    if (missing !== undefined) {
      skipped.push(missing)
      continue
    }
    const modelsUrl = context.modelsUrl ?? ''
    const head = await fetch(`${modelsUrl}${folder}/${file}`, { method: 'HEAD' })
    const bytes = Number(head.headers.get('content-length'))
    figures.push(...(await measureCase(api, { modelsUrl, folder, file, bytes }, context.quick ? 1 : 7)))
  }
  worker.terminate()
  return {
    figures,
    notes: [
      'The loader hashes each piece as it comes and can go on after a kill; one entry of the Cache API is all or nothing.',
      'The files were read just before, so that they are in the memory of the system: what is measured is the way, not the disk.',
    ],
    skipped,
  }
}

import type { AlcoveLibrary } from './alcove.js'
import type { BenchContext } from './result.js'

/** A client that takes models from this machine only, and answers from no cache. */
export function openClient({ createAlcove }: AlcoveLibrary, context: BenchContext, options: ClientOptions) {
  return createAlcove({
    modelBaseUrl: context.modelsUrl,
    allowRemoteModels: false,
    cache: false,
    ...options,
  })
}

export type ClientOptions = NonNullable<Parameters<AlcoveLibrary['createAlcove']>[0]>

/** Why a benchmark that needs a model cannot run; undefined when it can. */
export function missingModel({ models }: BenchContext, folder: string): string | undefined {
  if (models.includes(folder)) return undefined
  return `the model ${folder} is not here (\`npm run models\`, or name its folder in ALCOVE_MODELS_DIR)`
}

import type { AlcoveError } from '../../protocol/error.js'
import type { StatusPart } from '../../protocol/stream-part.js'
import type { ModelSpec } from '../engine.js'
import { isFileBroken, translateEngineError } from '../engine-errors.js'
import { createWeightLoader, type WeightLoader } from '../weights/weights.js'

/** The files of a model; one that cannot be kept is told. */
export function openModelFiles(spec: ModelSpec, report: (status: StatusPart) => void): WeightLoader {
  return createWeightLoader(spec, {
    onNotStored: (file, error) =>
      report({
        type: 'status',
        status: 'loading',
        message: `'${file}' could not be kept on this device: ${error.message}`,
        modelId: spec.id,
      }),
  })
}

/** What a load failed with. A kept file that cannot be read would fail for ever: the next try fetches it again. */
export async function repairModelFiles(spec: ModelSpec, error: unknown): Promise<AlcoveError> {
  const failure = translateEngineError(error, 'model-load-failed', `loading '${spec.id}' failed`)
  if (isFileBroken(failure)) await createWeightLoader(spec).repair()
  return failure
}

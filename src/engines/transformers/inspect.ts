import { toErrorInfo } from '../../rpc/error-wire.js'
import { throwIfAborted } from '../../runtime/abort.js'
import type { InspectOptions, ModelInspection, ModelSpec } from '../engine.js'
import { createWeightLoader } from '../weights/weights.js'
import { findBuild } from './build.js'
import { chooseDevice, readJson } from './runtime.js'

/** What using a model would take. An embedding model runs on WebAssembly unless its spec says otherwise. */
export async function inspectModel(
  spec: ModelSpec,
  kind: 'chat' | 'embedding',
  { signal }: InspectOptions = {},
): Promise<ModelInspection> {
  try {
    const { device, shaderF16 } = await chooseDevice(spec, kind === 'chat' ? 'auto' : 'wasm')
    const loader = createWeightLoader(spec)
    const config = await readJson(loader, 'config.json', signal)
    const build = await findBuild({ spec, kind, loader, config, device, shaderF16, signal })
    if (build.stored) return { state: 'available', bytes: 0, device }
    return { state: 'downloadable', bytes: build.missingBytes, device }
  } catch (error) {
    throwIfAborted(signal)
    return { state: 'unavailable', error: toErrorInfo(error, 'model-load-failed') }
  }
}

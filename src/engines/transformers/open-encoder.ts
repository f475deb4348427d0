import type { PreTrainedModel } from '@huggingface/transformers'
import type { StatusPart } from '../../protocol/stream-part.js'
import type { ModelSpec } from '../engine.js'
import { createLoadMeter, type LoadMeter } from '../weights/load-meter.js'
import { findBuild } from './build.js'
import { openModelFiles } from './model-files.js'
import {
  chooseDevice,
  type Device,
  type LoadedModel,
  loadLibrary,
  loadThroughLibrary,
  loadTokenizer,
  readJson,
  type Tokenizer,
  type TransformersLibrary,
  throwFailure,
} from './runtime.js'

/** A model that reads texts whole and writes none, with what reads them for it. */
export interface Encoder {
  readonly library: TransformersLibrary
  readonly device: Device
  readonly model: LoadedModel
  readonly tokenizer: Tokenizer
  /** Most tokens of a text: the least of what spec, tokenizer and configuration say. */
  readonly maxTokens: number
  readonly meter: LoadMeter
}

export interface EncoderOptions {
  readonly signal: AbortSignal
  readonly report: (status: StatusPart) => void
  /** Opens the model of a folder by the class that fits it. */
  readonly open: (
    library: TransformersLibrary,
    folder: string,
    options: { readonly device: Device; readonly dtype: 'q8' },
  ) => Promise<PreTrainedModel>
  /** Bound of `maxTokens` where nobody says less. */
  readonly mostTokens: number
}

/** Loads an encoder's files and opens it: tokenizer, sessions and limits. */
export async function openEncoder(spec: ModelSpec, options: EncoderOptions): Promise<Encoder> {
  const { signal, report, open, mostTokens } = options
  const loader = openModelFiles(spec, report)
  const { device, shaderF16 } = await chooseDevice(spec, 'wasm')
  const config = await readJson(loader, 'config.json', signal)
  const build = await findBuild({ spec, kind: 'embedding', loader, config, device, shaderF16, signal })
  const meter = createLoadMeter(spec.id, report, { expectedBytes: build.bytes })
  const library = await loadLibrary(device)
  const tokenizer = await loadTokenizer(library, { loader, signal, meter })
  const model = await loadThroughLibrary(
    async (folder) => {
      const opened = await open(library, folder, { device, dtype: build.dtype as 'q8' })
      for (const session of Object.values(opened.sessions)) throwFailure(session)
      if (signal.aborted) await opened.dispose()
      return opened as LoadedModel
    },
    { loader, signal, meter },
  )
  const limits = [spec.maxTokens, tokenizer.model_max_length, Number(config.max_position_embeddings)]
  const known = limits.filter((limit) => limit !== undefined && limit > 0 && limit < 1e6) as number[]
  return { library, device, model, tokenizer, maxTokens: Math.min(...known, mostTokens), meter }
}

import type { AlcoveErrorCode } from '../../protocol/error.js'
import type { StatusPart } from '../../protocol/stream-part.js'
import type { ModelSpec } from '../engine.js'
import { translateEngineError } from '../engine-errors.js'
import { type Constrainer, createConstrainer } from '../grammar/constraint.js'
import { createLoadMeter, type LoadMeter } from '../weights/load-meter.js'
import type { WeightLoader } from '../weights/weights.js'
import { findBuild } from './build.js'
import { createDecoder } from './decoder.js'
import type { Writer } from './generate.js'
import { openModelFiles, repairModelFiles } from './model-files.js'
import { createTokenTexts, createVocabulary, type TokenTexts } from './prompt.js'
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
import type { SamplerOptions } from './sampler.js'

const UNKNOWN_CONTEXT_TOKENS = 2_048
const FIRST_STEP_TOKENS: Readonly<Record<Device, number>> = { wasm: 32, webgpu: 512 }

/** Weights unpacked once at the load: without it a quantised model decodes one token a second on wasm. */
const WASM_SESSION = { extra: { session: { disable_quant_qdq: '1' } } }

/** A model that is ready, and what it takes to free it. */
export interface Loaded extends Writer {
  readonly model: LoadedModel
  readonly tokenizer: Tokenizer
  readonly device: Device
}

interface Opening {
  readonly spec: ModelSpec
  readonly loader: WeightLoader
  readonly signal: AbortSignal
  report(status: StatusPart): void
}

/**
 * Loads a chat model, on the best device that works.
 * @throws AlcoveError of the weight loader, `model-load-failed`, `out-of-memory`, `webgpu-unavailable`, `aborted`
 */
export async function openModel(
  spec: ModelSpec,
  signal: AbortSignal,
  report: (status: StatusPart) => void,
): Promise<Loaded> {
  const say = (message: string) => report({ type: 'status', status: 'loading', message, modelId: spec.id })
  const loader = openModelFiles(spec, report)
  const opening = { spec, loader, signal, report }
  try {
    return await openOnBestDevice(opening, say)
  } catch (error) {
    throw await repairModelFiles(spec, error)
  }
}

/** Failures that no other device would help. */
const FILE_CODES: readonly AlcoveErrorCode[] = [
  'model-not-found',
  'integrity-failed',
  'network',
  'http-status',
  'download-refused',
]

async function openOnBestDevice(opening: Opening, say: (message: string) => void): Promise<Loaded> {
  const { spec, signal } = opening
  const { device, shaderF16, canFallBack } = await chooseDevice(spec, 'auto')
  try {
    return await openOn(opening, device, shaderF16)
  } catch (error) {
    const failure = translateEngineError(error, 'model-load-failed', `loading '${spec.id}' failed`)
    if (!canFallBack || signal.aborted || FILE_CODES.includes(failure.code)) throw failure
    say(`WebGPU failed, so the model runs on the processor: ${failure.message}`)
    return openOn(opening, 'wasm', false)
  }
}

async function openOn({ spec, loader, signal, report }: Opening, device: Device, shaderF16: boolean): Promise<Loaded> {
  const config = await readJson(loader, 'config.json', signal)
  const build = await findBuild({ spec, kind: 'chat', loader, config, device, shaderF16, signal })
  const meter = createLoadMeter(spec.id, report, { expectedBytes: build.bytes })
  const library = await loadLibrary(device)
  const tokenizer = await loadTokenizer(library, { loader, signal, meter })
  const { dtype } = build
  const model = await loadWeights(library, { loader, signal, meter, device, dtype })
  const limit = Number(config.max_position_embeddings ?? textConfig(config).max_position_embeddings)
  const own = Math.min(Number.isFinite(limit) ? limit : Infinity, tokenizer.model_max_length)
  const texts = createTokenTexts(tokenizer)
  const endTokens = endTokensOf(model, tokenizer)
  report({ ...meter.part(`The model is ready on ${device}`), totalBytes: meter.part('').loadedBytes ?? 0 })
  return {
    modelId: spec.id,
    model,
    tokenizer,
    device,
    decoder: createDecoder(library, model),
    texts,
    contextTokens: Math.min(
      spec.contextTokens ?? Infinity,
      own < 1e7 ? own : (spec.contextTokens ?? UNKNOWN_CONTEXT_TOKENS),
    ),
    endTokens,
    defaults: samplingDefaults(model),
    firstStepTokens: FIRST_STEP_TOKENS[device],
    constrainer: lazyConstrainer(tokenizer, texts, endTokens),
  }
}

/** Made at the first answer that needs it: it goes through the whole vocabulary. */
function lazyConstrainer(tokenizer: Tokenizer, texts: TokenTexts, endTokens: ReadonlySet<number>) {
  let constrainer: Constrainer | undefined
  return () => {
    const vocabulary = constrainer ? undefined : createVocabulary(tokenizer, texts)
    if (vocabulary) constrainer = createConstrainer(vocabulary, endTokens)
    return constrainer
  }
}

const textConfig = (config: Readonly<Record<string, unknown>>) =>
  (config.text_config ?? {}) as Readonly<Record<string, unknown>>

async function loadWeights(
  library: TransformersLibrary,
  options: {
    readonly loader: WeightLoader
    readonly signal: AbortSignal
    readonly meter: LoadMeter
    readonly device: Device
    readonly dtype: string
  },
): Promise<LoadedModel> {
  const { device, dtype, signal } = options
  return loadThroughLibrary(async (folder) => {
    const model = await library.AutoModelForCausalLM.from_pretrained(folder, {
      device,
      dtype: dtype as 'q4',
      ...(device === 'wasm' && { session_options: WASM_SESSION }),
    })
    for (const session of Object.values(model.sessions)) throwFailure(session)
    // The library cannot be stopped: a model that nobody waits for any more is freed as soon as it is there.
    if (signal.aborted) await model.dispose()
    return model as LoadedModel
  }, options)
}

interface GenerationConfig {
  readonly eos_token_id?: number | readonly number[] | null
  readonly do_sample?: boolean
  readonly temperature?: number | null
  readonly top_p?: number | null
  readonly top_k?: number | null
  readonly repetition_penalty?: number | null
}

const generationConfig = (model: LoadedModel) => (model.generation_config ?? {}) as GenerationConfig

function endTokensOf(model: LoadedModel, tokenizer: Tokenizer): ReadonlySet<number> {
  const own = model.config as unknown as GenerationConfig
  const ids = [generationConfig(model).eos_token_id, own.eos_token_id, tokenizer.eos_token_id].flat()
  return new Set(ids.filter((id) => typeof id === 'number'))
}

function samplingDefaults(model: LoadedModel): SamplerOptions {
  const { do_sample, temperature, top_p, top_k, repetition_penalty } = generationConfig(model)
  const penalty = { repetitionPenalty: repetition_penalty ?? undefined }
  if (!do_sample) return penalty
  return { temperature: temperature ?? 1, topP: top_p ?? undefined, topK: top_k ?? undefined, ...penalty }
}

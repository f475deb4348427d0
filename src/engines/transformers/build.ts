import { AlcoveError } from '../../protocol/error.js'
import type { ModelSpec } from '../engine.js'
import type { WeightLoader } from '../weights/weights.js'
import type { Device } from './runtime.js'

/** A build of a model's weights on a server: one ONNX file and the data files beside it. */
export interface WeightBuild {
  /** As transformers.js names it. */
  readonly dtype: string
  readonly files: readonly string[]
  /** Bytes of all of them, where the servers tell. */
  readonly bytes: number | undefined
  /** Bytes that are not kept here yet. */
  readonly missingBytes: number | undefined
  readonly stored: boolean
}

/** End of the file name for each build; the same table as in transformers.js. */
const SUFFIX: Readonly<Record<string, string>> = {
  fp32: '',
  fp16: '_fp16',
  int8: '_int8',
  uint8: '_uint8',
  q8: '_quantized',
  q4: '_q4',
  q4f16: '_q4f16',
  bnb4: '_bnb4',
}
/** A model of one part has the first; one whose embeddings are a part of their own (it also sees or hears) the second. */
const namesOf = (config: Readonly<Record<string, unknown>>) =>
  config.text_config === undefined ? ['model'] : ['decoder_model_merged', 'model']

/** Builds to look for, best first: 16 bit arithmetic only where the GPU has it, never on wasm. */
function candidates(spec: ModelSpec, kind: 'chat' | 'embedding', device: Device, shaderF16: boolean, own: unknown) {
  if (spec.dtype !== undefined) return [spec.dtype]
  const preferred = typeof own === 'string' && own in SUFFIX && !own.endsWith('16') ? [own] : []
  const chat = device === 'webgpu' && shaderF16 ? ['q4f16', 'q4', 'fp16', 'fp32'] : [...preferred, 'q4', 'q8', 'fp32']
  const embedding = device === 'webgpu' ? ['fp32', 'q8'] : [...preferred, 'q8', 'fp32']
  return [...new Set(kind === 'chat' ? chat : embedding)]
}

/** Names of the data files beside an ONNX file, as the model's config tells. */
function dataFiles(config: unknown, path: string, name: string): string[] {
  const setting = (config as { use_external_data_format?: unknown } | undefined)?.use_external_data_format
  const file = path.slice(path.lastIndexOf('/') + 1)
  const own = typeof setting === 'object' && setting !== null ? (setting as Record<string, unknown>) : undefined
  const count = Number((own ? (own[file] ?? own[name]) : setting) ?? 0)
  return Array.from({ length: Number.isFinite(count) ? count : 0 }, (_, index) =>
    index === 0 ? `${path}_data` : `${path}_data_${index}`,
  )
}

async function measure(
  loader: WeightLoader,
  dtype: string,
  files: readonly string[],
  options: { readonly signal?: AbortSignal | undefined; readonly keptOnly: boolean },
) {
  const heads = await Promise.all(files.map((file) => loader.head(file, options)))
  if (heads.some((head) => head === undefined)) return undefined
  const sum = (list: typeof heads) =>
    list.reduce<number | undefined>(
      (all, head) => (all === undefined || head?.bytes === undefined ? undefined : all + head.bytes),
      0,
    )
  return {
    dtype,
    files,
    bytes: sum(heads),
    missingBytes: sum(
      heads
        .filter((head) => !head?.stored)
        .map(
          (head) =>
            head && { ...head, bytes: head.bytes === undefined ? undefined : head.bytes - (head.keptBytes ?? 0) },
        ),
    ),
    stored: heads.every((head) => head?.stored),
  }
}

/** Kinds of models that read texts and write none. */
const ENCODER = /bert|mpnet|electra/
/** Ends of the names of classes that write. */
const WRITER = /(?:CausalLM|LMHeadModel|ConditionalGeneration)$/

/** Before anything large is fetched: the library would refuse it afterwards, in words of its own. */
function requireWriter(id: string, { model_type: type, architectures }: Readonly<Record<string, unknown>>): void {
  if (!ENCODER.test(String(type)) || [architectures].flat().some((name) => WRITER.test(String(name)))) return
  throw new AlcoveError(
    'model-load-failed',
    `'${id}' writes no answers: it is of the kind '${type}', which reads texts`,
    {
      hint: 'Choose a chat model. One like this finds passages by meaning, as `embedder`.',
    },
  )
}

/**
 * Finds the build to use: one that is kept here, else by asking which files there are.
 * @throws AlcoveError `invalid-argument` for an unknown dtype, `model-not-found` when there is no build, `model-load-failed` for a model that
 * cannot do what is asked of it, and what the loader throws
 */
export async function findBuild(options: {
  readonly spec: ModelSpec
  readonly kind: 'chat' | 'embedding'
  readonly loader: WeightLoader
  readonly config: Readonly<Record<string, unknown>>
  readonly device: Device
  readonly shaderF16: boolean
  readonly signal?: AbortSignal | undefined
}): Promise<WeightBuild> {
  const { spec, loader, config, signal } = options
  if (options.kind === 'chat') requireWriter(spec.id, config)
  const own = config['transformers.js_config'] as { dtype?: unknown } | undefined
  const dtypes = candidates(spec, options.kind, options.device, options.shaderF16, own?.dtype)
  for (const dtype of dtypes) {
    if (dtype in SUFFIX) continue
    const known = Object.keys(SUFFIX).join(', ')
    throw new AlcoveError('invalid-argument', `dtype: expected one of ${known}, got '${dtype}'`)
  }
  // A build that is kept here goes before a better one that is not: it costs nothing, and works without a network.
  for (const keptOnly of [true, false]) {
    for (const dtype of dtypes) {
      for (const name of namesOf(config)) {
        const path = `onnx/${name}${SUFFIX[dtype]}.onnx`
        const build = await measure(loader, dtype, [path, ...dataFiles(own, path, name)], { signal, keptOnly })
        if (build) return build
      }
    }
  }
  throw new AlcoveError('model-not-found', `'${spec.id}' has no ONNX weights of build ${dtypes.join(' or ')}`, {
    hint: 'The files are expected in the folder onnx/ of the model, such as onnx/model_q4.onnx.',
  })
}

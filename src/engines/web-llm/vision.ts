import type { MLCEngine } from '@mlc-ai/web-llm'
import type { ChatModelCapabilities } from '../../protocol/model.js'
import type { PreparedImage } from './images.js'

/** Fields of WebLLM's pipeline that are private in its types (0.2.86). */
interface VisionPipeline {
  getSupportedInputKinds?(): ReadonlySet<string> | undefined
  /** Tokens of a picture in the models that have no manifest. */
  computeImageEmbedSize?(height: number, width: number): number
  readonly artifact?: {
    readonly imageInput?: {
      readonly processor?: { readonly num_embeddings?: number }
      readonly prompt?: { readonly prefix_token_ids?: readonly number[]; readonly suffix_token_ids?: readonly number[] }
    }
  }
  readonly config?: { readonly model_type?: string; readonly model_config?: Readonly<Record<string, unknown>> }
  readonly tokenizer?: { encode?(text: string): { readonly length: number } }
}

interface VisionInternals {
  readonly loadedModelIdToPipeline?: ReadonlyMap<string, VisionPipeline>
}

/** Where WebLLM does not tell: the most that any of its models needs. */
const MOST_TOKENS = 2_560
const TEXT_ONLY: ChatModelCapabilities['inputs'] = ['text']
const TEXT_AND_IMAGES: ChatModelCapabilities['inputs'] = ['text', 'image']

/** What a loaded model reads. */
export interface Vision {
  readonly inputs: ChatModelCapabilities['inputs']
  /** Its conversation is written by a manifest, which sets texts in as they are. */
  readonly hasManifest: boolean
  /** Tokens that a picture takes in a prompt, with what marks its ends. */
  tokensOf(image: PreparedImage): number
}

/**
 * @param webLlmId id under which the engine loaded it
 * @param expected what is taken for its inputs where WebLLM does not tell
 */
export function visionOf(engine: MLCEngine, webLlmId: string, expected = TEXT_ONLY): Vision {
  const pipeline = (engine as unknown as VisionInternals).loadedModelIdToPipeline?.get(webLlmId)
  const input = pipeline?.artifact?.imageInput
  const tokensOf = ({ height, width }: PreparedImage): number => {
    if (!pipeline) return MOST_TOKENS
    if (input) {
      const { prefix_token_ids: prefix = [], suffix_token_ids: suffix = [] } = input.prompt ?? {}
      return (input.processor?.num_embeddings ?? MOST_TOKENS) + prefix.length + suffix.length
    }
    return (computed(pipeline, height, width) ?? MOST_TOKENS) + marksOf(pipeline)
  }
  const kinds = pipeline?.getSupportedInputKinds
  if (!kinds) return { inputs: expected, hasManifest: false, tokensOf }
  const inputs = kinds.call(pipeline)?.has('image') ? TEXT_AND_IMAGES : TEXT_ONLY
  return { inputs, hasManifest: pipeline?.artifact !== undefined, tokensOf }
}

function computed(pipeline: VisionPipeline, height: number, width: number): number | undefined {
  try {
    return pipeline.computeImageEmbedSize?.(height, width)
  } catch {
    return undefined
  }
}

/** Tokens that WebLLM sets round each picture: those of the configuration, and a line break in Phi's layout. */
function marksOf({ config, tokenizer }: VisionPipeline): number {
  const own = config?.model_config ?? {}
  const begin = own.vision_start_token_id ?? own.boi_token_index
  const end = own.vision_end_token_id ?? own.eoi_token_index
  const line = config?.model_type === 'phi3_v' ? (tokenizer?.encode?.('\n').length ?? 1) : 0
  return Number(begin !== undefined) + Number(end !== undefined) + line
}

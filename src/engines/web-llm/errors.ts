import { AlcoveError, type AlcoveErrorCode, isAlcoveError } from '../../protocol/error.js'

/** When an error came: while the model was loaded, or while it answered. */
export type WebLlmPhase = 'load' | 'run'

interface Meaning {
  readonly code: AlcoveErrorCode
  readonly test: RegExp
  readonly phase?: WebLlmPhase
  readonly hint?: string
}

const VERSION_HINT = 'A model library fits one version of WebLLM only: take the one that was built for this version.'
const LIBRARY_HINT = 'Check that lib.wasm is the compiled model library and not an HTML page.'

/** By `<name>: <message>`; the first that fits. WebLLM throws errors of its own by name, and whatever came from below as it is. */
const MEANINGS: readonly Meaning[] = [
  { code: 'quota-exceeded', test: /^QuotaExceededError|Quota exceeded/i },
  { code: 'integrity-failed', test: /^IntegrityError/ },
  { code: 'model-not-found', test: /^(?:ModelNotFoundError|MissingModelError)/ },
  {
    code: 'webgpu-unavailable',
    test: /^(?:WebGPUNot\w+|FeatureSupportError|ShaderF16SupportError)|Unable to find a compatible GPU|Cannot (?:find WebGPU|initialize runtime because of requested)|requires (?:feature|WebGPU extension)/,
  },
  {
    code: 'out-of-memory',
    test: /^GPUOutOfMemoryError|out of memory|allocation failed|bad_alloc|Cannot enlarge memory/i,
  },
  {
    code: 'device-lost',
    test: /^DeviceLostError|device (?:was |is )?lost|mapAsync|Instance (?:dropped|reference)|Tokenizer instance already deleted|^ModelNotLoadedError|GPU connection lost/i,
  },
  { code: 'model-load-failed', test: /^LinkError/, hint: VERSION_HINT },
  { code: 'model-load-failed', test: /^CompileError/, hint: LIBRARY_HINT },
  {
    code: 'model-load-failed',
    test: /^SyntaxError/,
    phase: 'load',
    hint: 'A JSON file of the model is cut off or is an HTML page.',
  },
  { code: 'model-not-found', test: /Cannot fetch /, phase: 'load' },
  {
    code: 'network',
    test: /Failed to fetch|NetworkError|Load failed|network error/i,
    phase: 'load',
  },
  {
    code: 'output-invalid',
    test: /Grammar matcher rejected/,
    phase: 'run',
    hint: 'The sampler took a token that the form does not allow. Try again, or with temperature 0.',
  },
  {
    code: 'invalid-argument',
    test: /^GrammarMatcherInitError/,
    hint: 'Correct the grammar or the JSON schema of `output`.',
  },
  {
    code: 'invalid-argument',
    test: /^(?:MessageOrderError|SystemMessageOrderError|ContentTypeError|UnsupportedRoleError|UserMessageContentErrorForNonVLM|CannotFindImageEmbedError|UnsupportedContentPartError|PrefillChunkSizeSmallerThanImageError|MinValueError|RangeError: Make sure|ConfigValueError|NegativeError|NonNegativeError|SeedTypeError|CustomResponseFormatError|InvalidResponseFormat\w*|UnsupportedFieldsError|Error: Make sure)/,
  },
]

/** Codes after which the engine object must not be used again: `reload()` on it fails for ever. */
const FATAL: ReadonlySet<AlcoveErrorCode> = new Set(['device-lost', 'out-of-memory', 'worker-crashed'])

export const isFatalToWebLlm = (error: AlcoveError) => FATAL.has(error.code)

/** What WebLLM threw, as an `AlcoveError` with the cause. */
export function translateWebLlmError(error: unknown, modelId: string, phase: WebLlmPhase): AlcoveError {
  if (isAlcoveError(error)) return error
  const { name, message } = partsOf(error)
  const overflow = /number of prompt tokens: (\d+); context window size: (\d+)/.exec(message)
  if (overflow) return overflowError(modelId, Number(overflow[1]), Number(overflow[2]), error)
  const text = `${name}: ${message}`
  const meaning = MEANINGS.find((each) => (each.phase ?? phase) === phase && each.test.test(text))
  const code = meaning?.code ?? (phase === 'load' ? 'model-load-failed' : 'worker-crashed')
  const did = phase === 'load' ? 'could not be loaded' : code === 'invalid-argument' ? 'refused the request' : 'stopped'
  return new AlcoveError(code, `${modelId} ${did}: ${message || name}`, { cause: error, hint: meaning?.hint })
}

function overflowError(modelId: string, promptTokens: number, contextTokens: number, cause: unknown): AlcoveError {
  return new AlcoveError(
    'context-overflow',
    `the prompt has ${promptTokens} tokens, the context of ${modelId} takes ${contextTokens}`,
    { cause, details: { promptTokens, contextTokens } },
  )
}

function partsOf(error: unknown): { name: string; message: string } {
  if (typeof error !== 'object' || error === null) return { name: 'Error', message: String(error) }
  const { name, message } = error as { name?: unknown; message?: unknown }
  return { name: String(name ?? 'Error'), message: String(message ?? '') }
}

/** Whether a rejection that nobody handles is the echo of a GPU that went away under a running model. */
export function isGpuEcho(reason: unknown): boolean {
  const { name, message } = partsOf(reason)
  return /device-lost|AbortError/.test(name)
    ? /mapAsync|GPU|device/i.test(message)
    : /device (?:was |is )?lost|mapAsync|Instance (?:dropped|reference)|instance already deleted|GPU connection lost/i.test(
        message,
      )
}

import { AlcoveError, isAlcoveError } from '../../protocol/error.js'

/** What llama.cpp wrote when it gave up, the last lines first to last. */
export type NativeLines = readonly string[]

const MEMORY =
  /bad_alloc|insufficient memory|failed to allocate|out of memory|cannot enlarge memory|OOM|Array buffer allocation failed/i
const TRUNCATED = /not within the file bounds|incomplete|remaining file size|failed to read|unexpectedly reached end/i
/** llama.cpp's reader of the format itself: what it refuses is no GGUF, while a model of an unknown kind is refused elsewhere. */
const NOT_GGUF = /invalid magic|gguf_init_from_\w+:/i
const OVERFLOW = /request \((\d+) tokens\) exceeds the available context size \((\d+) tokens\)/

/** `RangeError: Invalid typed array length: 1163217991`: the bytes of `GLUE`, which wllama reads as a length when a request was refused. */
const REFUSED = /typed array length: 1163217991/

/** Lines of wllama itself, which follow the reason. */
const SELF = /^(?:Stack trace|Model returned)/

/** Why a model did not load, by what llama.cpp said. */
export function loadError(modelId: string, lines: NativeLines, cause?: unknown): AlcoveError {
  if (isAlcoveError(cause)) return cause
  const said = [...lines, textOf(cause)].filter(Boolean)
  const all = said.join('\n')
  const details = { modelId, said: said.slice(-4) }
  const reason =
    said.find((line) => /error loading|failed|invalid|unknown|abort/i.test(line)) ?? said[0] ?? 'no reason given'
  if (MEMORY.test(all)) {
    return new AlcoveError('out-of-memory', `${modelId} does not fit into memory: ${reason}`, { cause, details })
  }
  if (NOT_GGUF.test(all)) {
    return new AlcoveError('model-load-failed', `expected a GGUF file for ${modelId}, got something else: ${reason}`, {
      hint: 'Check that the server sends the model file itself and not an HTML page or a pointer to it.',
      cause,
      details: { ...details, isFileBroken: true },
    })
  }
  if (TRUNCATED.test(all)) {
    return new AlcoveError('integrity-failed', `the file of ${modelId} is cut off or damaged: ${reason}`, {
      cause,
      details,
    })
  }
  return new AlcoveError('model-load-failed', `${modelId} could not be loaded: ${reason}`, { cause, details })
}

/** Whether the file is no model: one that was kept must be fetched again, or it stays after its server is mended. */
export function isFileBroken(error: unknown): boolean {
  return isAlcoveError(error) && (error.code === 'integrity-failed' || error.details.isFileBroken === true)
}

/** Whether an error means that the instance cannot be used any more. */
export function isFatal(error: unknown): boolean {
  if (isAlcoveError(error)) return false
  return nameOf(error) === 'RuntimeError' && !REFUSED.test(textOf(error))
}

/** Why a request failed. */
export function requestError(modelId: string, lines: NativeLines, error: unknown): AlcoveError {
  if (isAlcoveError(error)) return error
  const text = textOf(error)
  const overflow = overflowOf(text)
  if (overflow) {
    const { promptTokens, contextTokens } = overflow
    return new AlcoveError(
      'context-overflow',
      `the prompt has ${promptTokens} tokens, the context of ${modelId} takes ${contextTokens}`,
      { cause: error, details: overflow },
    )
  }
  if (nameOf(error) === 'AbortError') return new AlcoveError('aborted', 'Aborted by the caller', { cause: error })
  if (/context size has been exceeded/i.test(text)) {
    return new AlcoveError('context-overflow', `the context of ${modelId} is full`, { cause: error })
  }
  if (isFatal(error)) {
    const code = MEMORY.test(`${text}\n${lines.join('\n')}`) ? 'out-of-memory' : 'worker-crashed'
    return new AlcoveError(code, `${modelId} stopped: ${text}`, { cause: error, details: { said: lines.slice(-4) } })
  }
  const said = REFUSED.test(text) ? (lines.find((line) => !SELF.test(line)) ?? 'it does not say why') : text
  return new AlcoveError('invalid-argument', `${modelId} refused the request: ${said}`, {
    hint: /grammar|schema/i.test(said) ? 'Correct the grammar or the JSON schema of `output`.' : undefined,
    cause: error,
  })
}

/** Both numbers of llama.cpp's refusal of a long prompt. */
export function overflowOf(text: string): { promptTokens: number; contextTokens: number } | undefined {
  const match = OVERFLOW.exec(text)
  return match ? { promptTokens: Number(match[1]), contextTokens: Number(match[2]) } : undefined
}

const nameOf = (error: unknown) => (error as { name?: unknown } | null)?.name
const textOf = (error: unknown) => (error instanceof Error ? error.message : error === undefined ? '' : String(error))

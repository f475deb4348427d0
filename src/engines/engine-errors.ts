import { AlcoveError, type AlcoveErrorCode, isAlcoveError, toAlcoveError } from '../protocol/error.js'

interface Meaning {
  readonly pattern: RegExp
  readonly code: AlcoveErrorCode
  readonly what: string
  readonly hint?: string
  /** The engine remembers the failure for as long as its worker lives. */
  readonly needsNewWorker?: boolean
}

/** What engines say, and what it means. The first that fits decides. */
const MEANINGS: readonly Meaning[] = [
  {
    pattern: /dynamically imported module|fetching of the wasm failed|Importing a module script failed|initWasm/i,
    code: 'network',
    what: 'a file of the engine itself could not be fetched',
    hint: "Check that the engine's .mjs and .wasm files are served beside the worker's script.",
    needsNewWorker: true,
  },
  {
    pattern: /device (?:was |is )?lost|device lost|GPU process|instance dropped|A valid external Instance reference/i,
    code: 'device-lost',
    what: 'the GPU device was lost',
  },
  {
    // A buffer that could not be had is invalid, which is told when it is used: by WebGPU's own words, in ONNX Runtime's or not.
    pattern:
      /is invalid due to a previous error|GPUOutOfMemory|exceeds the max(?:imum)? buffer size|max buffer size limit/i,
    code: 'out-of-memory',
    what: 'the GPU has no memory for this',
  },
  {
    pattern: /OrtRun\(\).*webgpu/is,
    code: 'device-lost',
    what: 'the GPU failed',
  },
  {
    pattern:
      /bad_alloc|out of memory|memory access out of bounds|Array buffer allocation failed|Invalid typed array length|failed to allocate|Cannot enlarge memory|OOM|Aborted\(|\bAborted\b|unreachable executed/i,
    code: 'out-of-memory',
    what: 'the model does not fit into the memory of this device',
  },
  {
    pattern: /WebGPU|requestAdapter|requestDevice|GPUAdapter/i,
    code: 'webgpu-unavailable',
    what: 'WebGPU cannot be used here',
  },
]

/**
 * An `AlcoveError` for what an engine threw: out of memory, lost device and missing WebGPU are told by its words, anything
 * else gets `code`. Engines throw strings, numbers (addresses of C++ exceptions) and errors; all are taken.
 */
export function translateEngineError(error: unknown, code: AlcoveErrorCode, doing: string): AlcoveError {
  if (isAlcoveError(error)) return error
  const text = error instanceof Error ? error.message : String(error)
  if (typeof error === 'number') return outOfMemory(error, doing)
  const meaning = MEANINGS.find(({ pattern }) => pattern.test(text))
  if (meaning && (error as { name?: unknown } | null)?.name !== 'AbortError') {
    const { hint, needsNewWorker } = meaning
    const details = needsNewWorker ? { needsNewWorker } : undefined
    return new AlcoveError(meaning.code, `${doing}: ${meaning.what} (${text})`, { cause: error, hint, details })
  }
  return toAlcoveError(error, code, doing)
}

/** An uncaught C++ exception is thrown as its address; in these engines it is nearly always `std::bad_alloc`. */
function outOfMemory(error: number, doing: string): AlcoveError {
  return new AlcoveError('out-of-memory', `${doing}: the engine stopped with an exception (${error})`, { cause: error })
}

/** Whether the engine, and so the worker that it runs in, cannot be used again after this error. */
export function isFatalToEngine(error: unknown): boolean {
  if (!isAlcoveError(error)) return false
  return error.code === 'out-of-memory' || error.code === 'device-lost' || error.details.needsNewWorker === true
}

/** Whether the engine could not make sense of a file: one that was kept should be fetched again. */
export function isFileBroken(error: unknown): boolean {
  return isAlcoveError(error, 'model-load-failed') && /protobuf|JSON|ERROR_CODE: 7\b|truncated/.test(error.message)
}

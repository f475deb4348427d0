import { AlcoveError } from '../../protocol/error.js'
import type { EmbeddingModel, EmbeddingPurpose } from '../../protocol/model.js'
import type { StatusPart } from '../../protocol/stream-part.js'
import { abortError, anySignal, onAbort, throwIfAborted } from '../../runtime/abort.js'
import { createLoadOnce } from '../../runtime/load-once.js'
import { readAll } from './body.js'
import { estimateTextTokens } from './count.js'
import { invalidAnswer } from './errors.js'
import { type HttpSettings, httpModelName } from './options.js'
import type { Endpoint, Transport, TransportResponse } from './transport.js'

export interface HttpEmbeddingOptions {
  readonly settings: HttpSettings
  readonly transport: Transport
  /** Ends all requests, for its reason. */
  readonly closed?: AbortSignal | undefined
}

const USUAL_MAX_TOKENS = 512
/** Texts in one request, and their characters. */
const MAX_TEXTS = 64
const MAX_CHARS = 200_000
/** Bytes of one number of a vector written in decimal, with room. */
const BYTES_A_NUMBER = 32
const MAX_DIMENSIONS = 16_384

/**
 * An embedding model behind OpenAI's protocol. Texts go in batches, several at a time as far as `http.connections` allows; vectors come as
 * base64 where the server knows that, else as numbers, and are scaled to length 1.
 * @param id `http:<model>`
 */
export function createHttpEmbedding(id: string, { settings, transport, closed }: HttpEmbeddingOptions): EmbeddingModel {
  const model = httpModelName(id)
  const own = settings.modelOptions(model)
  const maxTokens = own.maxTokens ?? USUAL_MAX_TOKENS
  const plain = new Set<Endpoint>()
  let dimensions = own.dimensions ?? 0

  async function embedBatch(
    texts: readonly string[],
    signal: AbortSignal,
    report: (status: StatusPart) => void = () => {},
  ) {
    const opening = transport.open({
      method: 'POST',
      path: 'embeddings',
      modelId: id,
      signal,
      body: (endpoint) => ({
        model,
        input: texts,
        encoding_format: plain.has(endpoint) ? 'float' : 'base64',
        ...(own.dimensions !== undefined && { dimensions: own.dimensions }),
        ...own.extraBody,
      }),
      adapt(error, endpoint) {
        if (plain.has(endpoint) || !/encoding_format|base64/.test(error.message)) return false
        plain.add(endpoint)
        return true
      },
    })
    for (;;) {
      const { done, value } = await opening.next()
      if (!done) report(value)
      else return checked(await readVectors(value, texts.length), value)
    }
  }

  /** All vectors of a model have one length, today and tomorrow: an index is made of them. */
  function checked(vectors: Float32Array[], { place }: TransportResponse): Float32Array[] {
    for (const vector of vectors) {
      if (dimensions === 0) dimensions = vector.length
      if (vector.length === dimensions) continue
      throw new AlcoveError(
        'dimension-mismatch',
        `${place}: expected vectors of ${dimensions} numbers, got ${vector.length}`,
        {
          hint: 'Set http.models[…].dimensions to what the model gives, or check that all addresses serve the same model.',
          details: { expected: dimensions, got: vector.length },
        },
      )
    }
    return vectors
  }

  // The first vector tells how long they are, and that the server is there.
  const loads = createLoadOnce<true, StatusPart>({
    async open({ signal, report }) {
      await embedBatch(['dimensions'], anySignal(signal, closed) ?? signal, report)
      return true
    },
  })

  async function embed(
    texts: readonly string[],
    purpose: EmbeddingPurpose,
    signal: AbortSignal,
  ): Promise<Float32Array[]> {
    const prefix = (purpose === 'query' ? own.queryPrefix : own.documentPrefix) ?? ''
    // An empty text is refused by most servers; a space is none.
    const inputs = texts.map((text) => cut(prefix + text, maxTokens) || ' ')
    const vectors = await Promise.all(batches(inputs).map((batch) => embedBatch(batch, signal)))
    return vectors.flat()
  }

  return {
    id,
    get dimensions() {
      return dimensions
    },
    maxTokens,
    languages: own.languages,
    async load(options) {
      await loads.load(options)
    },
    async embed(texts, { purpose = 'document', signal: own } = {}) {
      const signal = anySignal(own, closed)
      throwIfAborted(signal)
      if (texts.length === 0) return []
      const controller = new AbortController()
      const forget = onAbort(signal, (aborted) => controller.abort(aborted.reason))
      try {
        return await embed(texts, purpose, controller.signal)
      } catch (error) {
        // One batch that failed makes the others useless.
        controller.abort(error)
        throw signal?.aborted ? abortError(signal) : error
      } finally {
        forget()
      }
    },
    countTokens: async (texts) => texts.map(estimateTextTokens),
    dispose: async () => {
      loads.unload()
    },
  }
}

function batches(texts: readonly string[]): string[][] {
  const all: string[][] = []
  let chars = Number.POSITIVE_INFINITY
  for (const text of texts) {
    const last = all.at(-1)
    if (last && last.length < MAX_TEXTS && chars + text.length <= MAX_CHARS) {
      last.push(text)
      chars += text.length
    } else {
      all.push([text])
      chars = text.length
    }
  }
  return all
}

/** The beginning of a text that is within so many tokens by the estimate. */
function cut(text: string, maxTokens: number): string {
  if (estimateTextTokens(text) <= maxTokens) return text
  let low = 0
  let high = text.length
  while (low < high) {
    const middle = Math.ceil((low + high) / 2)
    if (estimateTextTokens(text.slice(0, middle)) <= maxTokens) low = middle
    else high = middle - 1
  }
  const isSplit = /[\ud800-\udbff]/.test(text[low - 1] ?? '')
  return text.slice(0, isSplit ? low - 1 : low)
}

async function readVectors(response: TransportResponse, count: number): Promise<Float32Array[]> {
  const { place, redact, body } = response
  const text = await readAll(body, 1_000_000 + count * MAX_DIMENSIONS * BYTES_A_NUMBER)
  const data = listOf(text)
  if (data?.length !== count) {
    throw invalidAnswer(place, `a list 'data' of ${count} vectors`, data ? `${data.length} of them` : text, redact)
  }
  const vectors = Array.from({ length: count }, (): Float32Array | undefined => undefined)
  for (const [at, item] of data.entries()) {
    const { index = at, embedding } = (item ?? {}) as { readonly index?: unknown; readonly embedding?: unknown }
    const vector = readVector(embedding)
    if (typeof index === 'number' && vector && index >= 0 && index < count) vectors[index] = vector
  }
  if (vectors.every((vector) => vector !== undefined)) return vectors
  throw invalidAnswer(
    place,
    'vectors of finite numbers that are not all zero, each with an index of its own',
    'others',
    redact,
  )
}

function listOf(text: string): readonly unknown[] | undefined {
  try {
    const { data } = JSON.parse(text) as { readonly data?: unknown }
    return Array.isArray(data) ? data : undefined
  } catch {
    return undefined
  }
}

/** A vector of length 1 from numbers, or from base64 of 32-bit floats in little-endian order; undefined for anything else. */
function readVector(value: unknown): Float32Array | undefined {
  const vector =
    typeof value === 'string' ? fromBase64(value) : Array.isArray(value) ? Float32Array.from(value) : undefined
  if (!vector || vector.length === 0 || vector.length > MAX_DIMENSIONS) return undefined
  const length = Math.sqrt(vector.reduce((sum, each) => sum + each * each, 0))
  return Number.isFinite(length) && length > 0 ? vector.map((each) => each / length) : undefined
}

function fromBase64(text: string): Float32Array | undefined {
  try {
    const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0))
    if (bytes.length % 4 !== 0) return undefined
    const view = new DataView(bytes.buffer)
    return Float32Array.from({ length: bytes.length / 4 }, (_, at) => view.getFloat32(at * 4, true))
  } catch {
    return undefined
  }
}

/** What the header of a GGUF file tells about its model. */
export interface GgufFacts {
  /** Longest context that the model was trained for, in tokens. */
  readonly contextTokens: number | undefined
  /** Bytes that one token takes in the key-value cache at 16 bits; undefined where the header does not tell. */
  readonly cacheBytesPerToken: number | undefined
  /** Text of a control token, such as `<|im_end|>`, that the tokenizer always takes as one token. */
  readonly controlToken: string | undefined
}

type Value = string | number | boolean | readonly Value[]

/** Bytes read at first, and more at a time: most of a header is its vocabulary. */
const FIRST_BYTES = 4 * 2 ** 20
const MOST_BYTES = 64 * 2 ** 20
const CONTROL_TYPE = 3
/** Kinds whose values are read; others are stepped over. */
const WANTED =
  /^(?:general\.architecture|tokenizer\.ggml\.(?:tokens|token_type|(?:eos|eot|bos)_token_id)|[\w-]+\.(?:context_length|block_count|embedding_length|attention\.(?:head_count|head_count_kv|key_length|value_length)))$/

/**
 * Reads the header of a GGUF file (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, versions 2 and 3). Undefined when it
 * is not one or is broken: the engine's own message then says more.
 */
export async function readGgufFacts(file: Blob): Promise<GgufFacts | undefined> {
  for (let bytes = FIRST_BYTES; ; bytes *= 4) {
    try {
      return factsOf(readValues(new DataView(await file.slice(0, bytes).arrayBuffer())))
    } catch (error) {
      if (!(error instanceof RangeError) || bytes >= MOST_BYTES || bytes >= file.size) return undefined
    }
  }
}

function readValues(view: DataView): Map<string, Value> {
  const reader = createReader(view)
  const values = new Map<string, Value>()
  if (view.getUint32(0, false) !== 0x47475546 || view.getUint32(4, true) < 2) throw new TypeError('not a GGUF file')
  reader.skip(16)
  const count = reader.size()
  for (let index = 0; index < count; index++) {
    const key = reader.text()
    const type = reader.int32()
    if (WANTED.test(key)) values.set(key, reader.value(type))
    else reader.skipValue(type)
  }
  return values
}

const SIZES: Readonly<Record<number, number>> = { 0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8 }
const TEXT = 8
const LIST = 9

function createReader(view: DataView) {
  const decoder = new TextDecoder()
  let at = 0
  const take = (bytes: number) => {
    const from = at
    if (from + bytes > view.byteLength) throw new RangeError('past the end of what was read')
    at += bytes
    return from
  }
  const int32 = () => view.getUint32(take(4), true)
  const size = () => Number(view.getBigUint64(take(8), true))
  const text = () => {
    const bytes = size()
    return decoder.decode(new Uint8Array(view.buffer, take(bytes), bytes))
  }
  const scalar = (type: number): number | boolean => {
    const from = take(SIZES[type] ?? fail(type))
    if (type === 0) return view.getUint8(from)
    if (type === 1) return view.getInt8(from)
    if (type === 2) return view.getUint16(from, true)
    if (type === 3) return view.getInt16(from, true)
    if (type === 4) return view.getUint32(from, true)
    if (type === 5) return view.getInt32(from, true)
    if (type === 6) return view.getFloat32(from, true)
    if (type === 7) return view.getUint8(from) !== 0
    if (type === 12) return view.getFloat64(from, true)
    return Number(type === 10 ? view.getBigUint64(from, true) : view.getBigInt64(from, true))
  }
  const value = (type: number): Value => {
    if (type === TEXT) return text()
    if (type !== LIST) return scalar(type)
    const inner = int32()
    return Array.from({ length: size() }, () => value(inner))
  }
  const skipValue = (type: number): void => {
    if (type === TEXT) return void take(size())
    if (type !== LIST) return void take(SIZES[type] ?? fail(type))
    const inner = int32()
    const count = size()
    const width = SIZES[inner]
    if (width !== undefined) return void take(width * count)
    for (let index = 0; index < count; index++) skipValue(inner)
  }
  return { int32, size, text, value, skipValue, skip: take }
}

function fail(type: number): never {
  throw new TypeError(`unknown GGUF value type ${type}`)
}

function factsOf(values: Map<string, Value>): GgufFacts {
  const of = (name: string) => values.get(`${values.get('general.architecture')}.${name}`)
  const number = (name: string) => (typeof of(name) === 'number' ? (of(name) as number) : undefined)
  return {
    contextTokens: number('context_length'),
    cacheBytesPerToken: cacheBytes(of, number),
    controlToken: controlToken(values),
  }
}

/** Keys and values of all layers, two bytes a number. */
function cacheBytes(of: (name: string) => Value | undefined, number: (name: string) => number | undefined) {
  const layers = number('block_count')
  const heads = of('attention.head_count')
  const cached = of('attention.head_count_kv') ?? heads
  const width = number('embedding_length')
  const most = Array.isArray(heads) ? Math.max(...(heads as number[])) : heads
  if (layers === undefined || width === undefined || typeof most !== 'number' || most === 0) return undefined
  const head = (name: string) => number(`attention.${name}`) ?? width / most
  const cachedHeads = Array.isArray(cached)
    ? (cached as number[]).reduce((sum, each) => sum + each, 0)
    : Number(cached) * layers
  const bytes = cachedHeads * (head('key_length') + head('value_length')) * 2
  return Number.isFinite(bytes) && bytes > 0 ? bytes : undefined
}

function controlToken(values: Map<string, Value>): string | undefined {
  const tokens = values.get('tokenizer.ggml.tokens')
  const types = values.get('tokenizer.ggml.token_type')
  if (!Array.isArray(tokens) || !Array.isArray(types)) return undefined
  const ids = ['eot', 'eos', 'bos'].map((name) => values.get(`tokenizer.ggml.${name}_token_id`))
  const id = ids.find((each) => typeof each === 'number' && types[each] === CONTROL_TYPE && tokens[each])
  return id === undefined ? undefined : (tokens[id as number] as string)
}

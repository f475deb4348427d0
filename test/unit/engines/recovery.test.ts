import { describe, expect, it } from 'vitest'
import type { ModelSpec } from '../../../src/engines/engine.js'
import {
  addWritten,
  type BrokenAnswer,
  continueFrom,
  judgeFailure,
  planRecovery,
} from '../../../src/engines/recovery.js'
import { AlcoveError, type AlcoveErrorCode } from '../../../src/protocol/error.js'
import type { ModelRequest } from '../../../src/protocol/model.js'

const spec = (id: string): ModelSpec => ({ id, allowRemote: false, hubUrl: 'https://hub.test/', cacheName: 'c' })
const request: ModelRequest = { messages: [{ role: 'user', content: 'Tell me of the sea.' }] }
const broken = (code: AlcoveErrorCode, more: Partial<BrokenAnswer> = {}): BrokenAnswer => ({
  error: new AlcoveError(code, 'it broke'),
  spec: spec('wllama:m/f.gguf'),
  contextTokens: 4_096,
  request,
  written: [],
  isPlainText: true,
  ...more,
})

describe('planRecovery', () => {
  it('starts the same model again after a crash or a lost device', () => {
    for (const code of ['worker-crashed', 'device-lost'] as const) {
      expect(planRecovery(broken(code))).toMatchObject({ spec: spec('wllama:m/f.gguf') })
    }
    expect(planRecovery(broken('worker-crashed'))?.message).toContain('starts anew')
    expect(planRecovery(broken('worker-crashed', { written: ['The '] }))?.message).toContain('goes on')
  })

  it('takes half the context when memory was short, as long as the prompt has room', () => {
    expect(planRecovery(broken('out-of-memory'))?.spec.contextTokens).toBe(2_048)
    expect(planRecovery(broken('out-of-memory', { contextTokens: 1_500 }))?.spec.contextTokens).toBe(1_024)
    expect(planRecovery(broken('out-of-memory', { contextTokens: 1_024 }))).toBeUndefined()
    const long = { messages: [{ role: 'user' as const, content: 'many words '.repeat(900) }] }
    expect(planRecovery(broken('out-of-memory', { request: long }))).toBeUndefined()
  })

  it('leaves a GPU that is lost again or does not come back, where the engine runs elsewhere too', () => {
    const first = new AlcoveError('device-lost', 'gone')
    const onGpu = { ...spec('transformers:m'), device: 'webgpu' as const }
    for (const code of ['device-lost', 'webgpu-unavailable'] as const) {
      expect(planRecovery(broken(code, { first, spec: onGpu }))).toMatchObject({ spec: { device: 'wasm' } })
      expect(planRecovery(broken(code, { spec: onGpu, first: undefined }))?.spec.device, code).not.toBe('wasm')
      expect(planRecovery(broken(code, { first, spec: spec('webllm:m') }))?.spec.device).toBeUndefined()
    }
    expect(planRecovery(broken('webgpu-unavailable', { spec: onGpu }))).toBeUndefined()
    expect(planRecovery(broken('webgpu-unavailable', { first, spec: { ...onGpu, device: 'wasm' } }))).toBeUndefined()
  })

  it('leaves a GPU without memory, where the engine runs elsewhere too; others take a shorter context', () => {
    const memory = (id: string, device: 'webgpu' | 'wasm') =>
      planRecovery(broken('out-of-memory', { spec: spec(id), device }))?.spec
    expect(memory('transformers:m', 'webgpu')).toEqual({ ...spec('transformers:m'), device: 'wasm' })
    expect(memory('transformers:m', 'wasm')).toEqual({ ...spec('transformers:m'), contextTokens: 2_048 })
    expect(memory('webllm:m', 'webgpu')).toEqual({ ...spec('webllm:m'), contextTokens: 2_048 })
  })

  it('tells the first failure where a way out of it was refused', () => {
    const first = new AlcoveError('out-of-memory', 'too much')
    const verdict = (code: AlcoveErrorCode) =>
      judgeFailure({ ...broken(code, { first }), phase: 'load', isOver: false, onFailure: undefined }).error
    expect(verdict('download-refused')).toBe(first)
    expect(verdict('network')).toMatchObject({ code: 'network' })
  })

  it('gives up on what no other start would change', () => {
    for (const code of ['context-overflow', 'invalid-argument', 'network', 'closed', 'aborted'] as const) {
      expect(planRecovery(broken(code)), code).toBeUndefined()
    }
  })

  it('goes on from text only where the engine can, and not in a form or after calls', () => {
    const written = ['The ']
    const other = { spec: spec('other:m'), written }
    expect(planRecovery(broken('worker-crashed', other))).toBeUndefined()
    const form: ModelRequest = { ...request, output: { type: 'json-schema', schema: true } }
    expect(planRecovery(broken('worker-crashed', { request: form, written }))).toBeUndefined()
    expect(planRecovery(broken('worker-crashed', { request: form }))).toBeDefined()
    expect(planRecovery(broken('worker-crashed', { written, isPlainText: false }))).toBeUndefined()
  })
})

describe('continueFrom', () => {
  it('adds what is written, also to an answer that had begun, and takes it off the limit', () => {
    const limited = { ...request, sampling: { maxTokens: 10 } }
    expect(continueFrom(limited, ['The ', 'sea'])).toEqual({
      messages: [...request.messages, { role: 'assistant', content: 'The sea' }],
      sampling: { maxTokens: 8 },
    })
    const begun: ModelRequest = { messages: [...request.messages, { role: 'assistant', content: 'Oh: ' }] }
    expect(continueFrom(begun, ['The ']).messages).toEqual([
      ...request.messages,
      { role: 'assistant', content: 'Oh: The ' },
    ])
    expect(continueFrom(request, [])).toBe(request)
    expect(limited.messages).toHaveLength(1)
  })

  it('counts what was written before as answer, not as prompt', () => {
    const part = { type: 'model-usage' as const, usage: { promptTokens: 12, completionTokens: 5 } }
    expect(addWritten(part, ['a', 'b'])).toEqual({
      type: 'model-usage',
      usage: { promptTokens: 10, completionTokens: 7 },
    })
  })
})

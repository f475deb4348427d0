import { describe, expect, test } from 'vitest'
import { checkKind } from '../../../src/engines/choice/catalogue.js'
import { type ConsentOptions, createConsent } from '../../../src/engines/choice/consent.js'
import { checkTask } from '../../../src/engines/choice/constraints.js'

const request = { id: 'a', title: 'Model A', bytes: 1_210_101, licence: undefined }
const open = (confirmDownload?: ConsentOptions['confirmDownload'], saveData = false) =>
  createConsent({ maxDownloadBytes: 1_000, saveData, ...(confirmDownload && { confirmDownload }) })

describe('consent to a download', () => {
  test.each([['no'], [1], [{}], [undefined], [false]])('%j is no yes', async (answer) => {
    await expect(open(() => answer as never).check(request)).rejects.toMatchObject({
      code: 'download-refused',
      message: 'Model A needs a download of 1.2 MB; it was not agreed to.',
      hint: expect.not.stringContaining('confirmDownload'),
    })
  })

  test('true is, and is remembered', async () => {
    let asked = 0
    const consent = open(async () => ++asked === 1)
    await consent.check(request)
    await consent.check(request)
    expect(asked).toBe(1)
  })

  test('a question that fails is a refusal with its cause, and is put again', async () => {
    const mistake = new Error('no dialog here')
    let asked = 0
    const consent = open(() => {
      if (++asked === 1) throw mistake
      return true
    })
    await expect(consent.check(request)).rejects.toMatchObject({
      code: 'download-refused',
      message: expect.stringContaining('no dialog here'),
      cause: mistake,
    })
    await consent.check(request)
    expect(asked).toBe(2)
  })

  test('where nobody can be asked, the limit is said in words that people read', async () => {
    await expect(open().check(request)).rejects.toMatchObject({
      message: 'Model A needs a download of 1.2 MB; at most 1 KB are fetched unasked.',
      hint: expect.stringContaining('confirmDownload'),
    })
    await expect(open(undefined, true).check({ ...request, bytes: undefined })).rejects.toMatchObject({
      message: expect.stringContaining('unknown size'),
      hint: expect.stringContaining('save data'),
    })
  })
})

test('a model of the catalogue is used for what it is for', () => {
  expect(() => checkKind('embedding', 'transformers:SmolLM2-135M-Instruct')).toThrow(
    expect.objectContaining({ code: 'invalid-argument', message: expect.stringContaining('makes no vectors') }),
  )
  expect(() => checkKind('chat', 'transformers:all-MiniLM-L6-v2')).toThrow(
    expect.objectContaining({ code: 'invalid-argument', message: expect.stringContaining('writes no answers') }),
  )
  expect(() => checkKind('chat', 'transformers:SmolLM2-135M-Instruct')).not.toThrow()
  expect(() => checkKind('embedding', 'transformers:somebody/else')).not.toThrow()
  expect(() => checkTask('availability', 'tools')).not.toThrow()
  expect(() => checkTask('availability', 'chatt')).toThrow(expect.objectContaining({ code: 'invalid-argument' }))
})

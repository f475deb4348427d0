import { describe, expect, test } from 'vitest'
import { createAlcove } from '../../src/create-alcove.js'
import { readSettings } from '../../src/settings.js'
import { scriptedModel } from '../../src/testing.js'

const page = 'https://page.example/'
const circular: Record<string, unknown> = {}
circular.self = circular
const model = scriptedModel(['hello'])

describe('options of createAlcove', () => {
  test.each<readonly [string, unknown]>([
    ['its argument', null],
    ['its argument', 'auto'],
    ['model', ''],
    ['model', 3],
    ['model', 3n],
    ['model', []],
    ['model', circular],
    ['model', [circular]],
    ['model', { ...model, id: undefined }],
    ['model', { ...model, capabilities: undefined }],
    ['embedder', 3],
    ['embedder', model],
    ['maxDownloadBytes', '200'],
    ['maxDownloadBytes', Number.NaN],
    ['confirmDownload', true],
    ['confirmDownload', 'yes'],
    ['modelBaseUrl', 5],
    ['modelBaseUrl', 'http://[bad'],
    ['modelMirrors', page],
    ['modelMirrors', [3]],
    ['allowRemoteModels', 'false'],
    ['allowRemoteModels', null],
    ['workerBaseUrl', {}],
    ['storage', 'alcove'],
    ['storage', null],
    ['storage.name', 5],
    ['storage.name', 'a b'],
    ['storage.budgetBytes', '1'],
    ['storage.persist', 'yes'],
    ['modelIdleMs', -1],
    ['http', page],
    ['cache', true],
    ['cache', null],
    ['cache.ttlMs', -1],
  ])('%s: a wrong value is named', (name, value) => {
    const [group, field] = name.split('.') as [string, string | undefined]
    const options = name === 'its argument' ? value : { [group]: field === undefined ? value : { [field]: value } }
    expect(() => createAlcove(options as never)).toThrow(
      expect.objectContaining({
        code: 'invalid-argument',
        message: expect.stringContaining(`createAlcove: ${name} must be `),
      }),
    )
  })

  test('a key is in no message', () => {
    const http = { apiKey: 'sk-secret' }
    expect(() => createAlcove({ storage: http as never, modelMirrors: [http as never] })).toThrow(
      expect.objectContaining({ message: expect.not.stringContaining('secret') }),
    )
  })

  test('what fits is taken, with its defaults', () => {
    expect(
      readSettings({ model, modelBaseUrl: new URL(page), modelMirrors: [`${page}hub`], cache: false }),
    ).toMatchObject({
      model,
      modelBaseUrl: page,
      modelMirrors: [`${page}hub/`],
      allowRemoteModels: true,
      storageName: 'alcove',
      persist: false,
      cache: undefined,
    })
  })
})

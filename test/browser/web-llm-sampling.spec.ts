import { expect, test } from './setup.js'
import { mlcModel } from './web-llm-files.js'

test('a real WebLLM model chooses its tokens as it is told', async ({ blank }) => {
  test.skip(!mlcModel, 'needs ALCOVE_MLC_DIR: a folder with <id>/resolve/main/ of an f32 build and its lib.wasm')
  test.setTimeout(600_000)
  const found = await blank.evaluate(
    async ([base, id]) =>
      (await import('/pages/web-llm-sampling.js')).sampleRealModel(new URL(base, location.href).href, id),
    ['/models/', mlcModel as string] as const,
  )
  expect(found.greedy.length).toBeGreaterThan(5)
  expect(found.onlyBest, 'of one token there is no choice, however hot').toBe(found.greedy)
  expect(found.pushed, 'one token six times').toMatch(/^(\S+)(?: ?\1){5}$/)
  expect(found.again).toBe(found.greedy)
})

import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test as base, expect, type Page } from '@playwright/test'

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
const modelFolders = [process.env.ALCOVE_MODELS_DIR, join(root, 'models')].filter((path) => path !== undefined)
const dataFolder = process.env.ALCOVE_DATA_DIR

const hasModel = (file: string): boolean => modelFolders.some((folder) => existsSync(join(folder, file)))

const ONNX_CHAT = 'SmolLM2-135M-Instruct/onnx/model_q4.onnx'
const GGUF_CHAT = 'SmolLM2-135M-Instruct/SmolLM2-135M-Instruct.Q4_1.gguf'

/** Which small real models this machine has, by their ids. */
export const models = {
  embedding: hasModel('all-MiniLM-L6-v2/onnx/model_quantized.onnx') ? 'transformers:all-MiniLM-L6-v2' : undefined,
  reference: hasModel('all-MiniLM-L6-v2/reference.json'),
  chat: hasModel(ONNX_CHAT)
    ? 'transformers:SmolLM2-135M-Instruct'
    : hasModel(GGUF_CHAT)
      ? `wllama:${GGUF_CHAT}`
      : undefined,
  onnxChat: hasModel(ONNX_CHAT) ? 'transformers:SmolLM2-135M-Instruct' : undefined,
  gguf: hasModel('stories260K/stories260K.gguf')
    ? 'wllama:stories260K/stories260K.gguf'
    : hasModel(GGUF_CHAT)
      ? `wllama:${GGUF_CHAT}`
      : undefined,
  story: hasModel('stories260K/onnx/model.onnx') ? 'transformers:stories260K' : undefined,
}

/** Path of a model's file on this machine. */
export const modelPath = (file: string): string | undefined =>
  modelFolders.map((folder) => join(folder, file)).find((path) => existsSync(path))

/** Address of a real document of the judged data, where that is there. */
export const realPdf =
  dataFolder && existsSync(join(dataFolder, 'documents/pdf.js/tracemonkey.pdf'))
    ? '/documents/pdf.js/tracemonkey.pdf'
    : undefined

/** The page's own origin, another one with the same files, and a guest's with a page that lets in scripts of the latter. */
export const origins = () => ({
  home: process.env.ALCOVE_TEST_URL as string,
  elsewhere: process.env.ALCOVE_TEST_OTHER_URL as string,
  guest: process.env.ALCOVE_TEST_GUEST_URL as string,
})

export interface BlankPage {
  /** Errors that nobody caught on the page. */
  readonly errors: string[]
}

/** A test on an empty page of our origin, under the strict policy, that fails when the page has an uncaught error. */
export const test = base.extend<{ blank: Page }>({
  blank: async ({ page }, use) => {
    const errors: string[] = []
    page.on('pageerror', (error) => errors.push(error.message))
    await page.goto(new URL('/pages/blank.html', origins().home).href)
    await use(page)
    expect(errors, 'uncaught errors on the page').toEqual([])
  },
})

export { expect }

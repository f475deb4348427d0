// @ts-check
import { readFile, writeFile } from 'node:fs/promises'
import { convertMiniLm } from './minilm-onnx.mjs'

/** all-MiniLM-L6-v2 was trained on texts of at most 256 tokens, whatever its tokenizer's files say. */
const miniLmTokens = 256

/** @param {string} source @param {string} target @param {(value: Record<string, unknown>) => Record<string, unknown>} edit */
async function editJson(source, target, edit) {
  await writeFile(target, JSON.stringify(edit(JSON.parse(await readFile(source, 'utf8')))))
}

/** What may be done to a fetched file, by its name in models.json. @type {Record<string, (source: string, target: string) => Promise<void>>} */
export const transforms = {
  'minilm-onnx': convertMiniLm,
  // The published file cuts at 128 tokens and pads every text to 128.
  'tokenizer-without-limits': (source, target) =>
    editJson(source, target, (tokenizer) => ({ ...tokenizer, truncation: null, padding: null })),
  'tokenizer-config': (source, target) =>
    editJson(source, target, (config) => ({ ...config, model_max_length: miniLmTokens })),
}

// Writes THIRD-PARTY.md: what the bundles contain, with licences, read from the installed packages. `node scripts/third-party.mjs`
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './setup.mjs'

/** What `dist/` contains, and for what. What these bring along is found by their own dependencies. */
const SHIPPED = [
  'comlink',
  'idb-keyval',
  '@orama/orama',
  '@cfworker/json-schema',
  '@noble/hashes',
  '@huggingface/transformers',
  'onnxruntime-web',
  '@mlc-ai/web-llm',
  '@wllama/wllama',
  'pdfjs-dist',
  'mammoth',
  'parse5',
  'fflate',
  'htmlparser2',
  'papaparse',
  'numfmt',
  'quickjs-wasi',
  'decimal.js',
]
/** Dependencies that never reach a browser bundle. */
const NOT_SHIPPED = new Set(['@types/node', 'onnxruntime-node', 'sharp', 'argparse', '@napi-rs/canvas'])

/** @param {string} name */
const readPackage = (name) => {
  const file = join(root, 'node_modules', name, 'package.json')
  return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : undefined
}

/** @param {string} name */
function readLicence(name) {
  const folder = join(root, 'node_modules', name)
  const file = readdirSync(folder).find((entry) => /^(licen[cs]e|copying)/i.test(entry))
  return file ? readFileSync(join(folder, file), 'utf8').trim() : undefined
}

const found = new Map()
const queue = [...SHIPPED]
while (queue.length > 0) {
  const name = /** @type {string} */ (queue.shift())
  if (found.has(name) || NOT_SHIPPED.has(name)) continue
  const facts = readPackage(name)
  if (!facts) continue
  found.set(name, { version: facts.version, licence: facts.license ?? 'see its text', text: readLicence(name) })
  queue.push(...Object.keys(facts.dependencies ?? {}))
}

const rows = [...found].sort(([a], [b]) => a.localeCompare(b))
const texts = new Map()
const characterMaps = join(root, 'node_modules', 'pdfjs-dist', 'cmaps', 'LICENSE')
if (existsSync(characterMaps)) texts.set(readFileSync(characterMaps, 'utf8').trim(), ['Adobe CMap resources'])
for (const [name, { text }] of rows) if (text) texts.set(text, [...(texts.get(text) ?? []), name])
const lines = [
  '# Third-party software in the package',
  '',
  'Bundled into `dist/`. Written by `node scripts/third-party.mjs` from the installed packages; a package listed here may be only partly contained.',
  '',
  '| package | version | licence |',
  '|---|---|---|',
  ...rows.map(([name, { version, licence }]) => `| ${name} | ${version} | ${licence} |`),
  '| Adobe CMap resources (in pdfjs-dist) | | BSD-3-Clause |',
  '| llama.cpp (in @wllama/wllama) | | MIT |',
  '| Apache TVM runtime, XGrammar (in @mlc-ai/web-llm) | | Apache-2.0 |',
  '',
  '## Licence texts',
  ...[...texts].flatMap(([text, names]) => [
    '',
    `### ${names.join(', ')}`,
    '',
    '```text',
    text.replaceAll('```', "'''"),
    '```',
  ]),
  '',
]
writeFileSync(join(root, 'THIRD-PARTY.md'), lines.join('\n'))
console.log(`${rows.length} packages, ${texts.size} licence texts`)

// Compiles wasm/vector-kernels.ts to WebAssembly and writes it as src/retrieval/vector/kernel-binary.ts. `node scripts/compile-kernels.mjs`
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import asc from 'assemblyscript/asc'
import { root } from './setup.mjs'

const source = 'wasm/vector-kernels.ts'
const target = join(root, 'src', 'retrieval', 'vector', 'kernel-binary.ts')

/** The module's bytes. Throws with the compiler's own words. @returns {Promise<Uint8Array>} */
export async function compileKernels() {
  /** @type {Uint8Array | undefined} */
  let binary
  const options = ['--runtime', 'stub', '--importMemory', '--noExportMemory', '--enable', 'simd', '-O3', '--noAssert']
  const { error, stderr } = await asc.main([source, ...options, '--outFile', 'kernels.wasm'], {
    readFile: (name) => {
      try {
        return readFileSync(join(root, name), 'utf8')
      } catch {
        return null
      }
    },
    writeFile: (_name, contents) => {
      if (typeof contents !== 'string') binary = contents
    },
    listFiles: () => [],
  })
  if (error !== null || binary === undefined) throw new Error(`${source}: ${stderr.toString() || error}`)
  return binary
}

/** The text of the generated file. @param {Uint8Array} binary */
export function moduleText(binary) {
  const base64 = Buffer.from(binary).toString('base64')
  const lines = base64.match(/.{1,110}/g) ?? []
  return [
    '// Written by scripts/compile-kernels.mjs from wasm/vector-kernels.ts: change that one.',
    `/** The WebAssembly of the kernels in base64, ${binary.length} bytes. */`,
    `export const kernelBinary =\n  ${lines.map((line) => `'${line}'`).join(' +\n  ')}`,
    '',
  ].join('\n')
}

/** Writes the file when the kernels have changed. */
export async function writeKernels() {
  const text = moduleText(await compileKernels())
  let current = ''
  try {
    current = readFileSync(target, 'utf8')
  } catch {}
  if (current !== text) writeFileSync(target, text)
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) await writeKernels()

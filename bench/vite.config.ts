import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vite'

const here = fileURLToPath(new URL('.', import.meta.url))
const entries = readdirSync(here).filter((name) => name.endsWith('.bench.ts'))

/** Bundles each benchmark to a module of its own, which the runner imports in a page and calls. */
export default defineConfig({
  root: here,
  base: '/bench/',
  publicDir: false,
  // Without the condition ONNX Runtime's 27 MB of WebAssembly are copied beside the bundle.
  resolve: { conditions: ['onnxruntime-web-use-extern-wasm', 'import', 'module', 'browser', 'default'] },
  define: { 'process.env.NODE_ENV': '"production"' },
  worker: { format: 'es' },
  build: {
    outDir: '../.alcove/bench',
    emptyOutDir: true,
    target: 'es2022',
    modulePreload: false,
    chunkSizeWarningLimit: 100_000,
    rolldownOptions: {
      input: Object.fromEntries(entries.map((name) => [name.slice(0, -'.bench.ts'.length), join(here, name)])),
      preserveEntrySignatures: 'strict',
      output: {
        entryFileNames: '[name].js',
        chunkFileNames: 'chunks/[name]-[hash].js',
        assetFileNames: 'assets/[name]-[hash][extname]',
      },
    },
  },
})

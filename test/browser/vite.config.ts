import { readdirSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vite'

const here = fileURLToPath(new URL('.', import.meta.url))
const pages = join(here, 'pages')
const entries = readdirSync(pages).filter((name) => name.endsWith('.ts') && !name.endsWith('.worker.ts'))

/** Bundles each harness of `pages/` to a module of its own, which a test imports in the browser and calls. */
export default defineConfig({
  root: here,
  base: '/pages/',
  publicDir: 'public',
  resolve: { conditions: ['onnxruntime-web-use-extern-wasm', 'import', 'module', 'browser', 'default'] },
  worker: { format: 'es' },
  build: {
    outDir: '../../.alcove/pages',
    emptyOutDir: true,
    target: 'es2022',
    minify: false,
    modulePreload: false,
    chunkSizeWarningLimit: 100_000,
    rolldownOptions: {
      input: Object.fromEntries(entries.map((name) => [basename(name, '.ts'), join(pages, name)])),
      preserveEntrySignatures: 'strict',
      output: {
        entryFileNames: '[name].js',
        chunkFileNames: 'chunks/[name]-[hash].js',
        assetFileNames: 'assets/[name]-[hash][extname]',
      },
    },
  },
})

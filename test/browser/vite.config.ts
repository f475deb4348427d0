import { readdirSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { defineConfig, type Plugin } from 'vite'

const here = fileURLToPath(new URL('.', import.meta.url))
const pages = join(here, 'pages')
const examples = join(here, '..', '..', 'examples')
const entries = readdirSync(pages).filter((name) => name.endsWith('.ts') && !name.endsWith('.worker.ts'))

/** The examples take the package as it is served from `dist/`, as the tests do, and not another copy of it. */
const servedPackage: Plugin = {
  name: 'served-package',
  enforce: 'pre',
  resolveId(source, importer) {
    if (!importer?.startsWith(examples) || !/^alcove(\/|$)/.test(source)) return undefined
    const entry = source === 'alcove' ? 'index' : source.slice('alcove/'.length).replace('tools/', 'tool-')
    return { id: `/dist/${entry}.js`, external: 'absolute' }
  },
}

/** Bundles each harness of `pages/` to a module of its own, which a test imports in the browser and calls. */
export default defineConfig({
  root: here,
  base: '/pages/',
  publicDir: 'public',
  plugins: [servedPackage],
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
      input: {
        ...Object.fromEntries(entries.map((name) => [basename(name, '.ts'), join(pages, name)])),
        examples: join(examples, 'all.ts'),
        'example-scripts': join(examples, 'scripts.ts'),
      },
      preserveEntrySignatures: 'strict',
      output: {
        entryFileNames: '[name].js',
        chunkFileNames: 'chunks/[name]-[hash].js',
        assetFileNames: 'assets/[name]-[hash][extname]',
      },
    },
  },
})

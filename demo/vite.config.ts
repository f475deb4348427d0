import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { defineConfig, type Plugin } from 'vite'

const demo = fileURLToPath(new URL('.', import.meta.url))

/** Files above this size, and character maps of PDFs, are kept by the service worker when they are first used, not before. */
const SHELL_FILE_BYTES = 200_000

function listFiles(folder: string): string[] {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name)
    return statSync(path).isDirectory() ? listFiles(path) : [path]
  })
}

/** Writes into the built service worker which files make up the page, and a version that changes with any built file. */
function fillServiceWorker(): Plugin {
  let output = ''
  return {
    name: 'alcove-service-worker',
    apply: 'build',
    configResolved({ root, build }) {
      output = resolve(root, build.outDir)
    },
    closeBundle() {
      const worker = join(output, 'sw.js')
      const files = listFiles(output)
        .filter((file) => file !== worker && !file.endsWith('.map'))
        .sort()
      const hash = createHash('sha256')
      for (const file of files) hash.update(relative(output, file)).update(readFileSync(file))
      const shell = files
        .map((file) => ({ path: `./${relative(output, file).replaceAll('\\', '/')}`, bytes: statSync(file).size }))
        .filter(({ bytes, path }) => bytes < SHELL_FILE_BYTES && path !== './index.html' && !path.includes('cmaps'))
        .map(({ path }) => path)
      const text = readFileSync(worker, 'utf8')
        .replace('__VERSION__', hash.digest('hex').slice(0, 16))
        .replace("['__SHELL__']", JSON.stringify(['./', ...shell]))
      writeFileSync(worker, text)
    },
  }
}

export default defineConfig({
  root: demo,
  base: './',
  build: {
    outDir: 'dist',
    emptyOutDir: true,
    target: 'es2023',
    // Its polyfill is an inline script, which the Content-Security-Policy refuses.
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    // The library's entry is a file of its own, so that the page's own script can be weighed.
    rolldownOptions: { output: { codeSplitting: { groups: [{ name: 'alcove', test: /[\\/]dist[\\/]index\.js$/ }] } } },
  },
  worker: { format: 'es' },
  plugins: [fillServiceWorker()],
})

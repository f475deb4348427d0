// How the library is bundled. Rolldown itself and not Vite's library mode: that one inlines WebAssembly as base64 and rewrites the
// `new Worker(new URL(…, import.meta.url))` that a consumer's bundler must still find. See docs/decisions/2026-11-22-build.md.
import { copyFileSync, mkdirSync, readFileSync } from 'node:fs'
import { basename, dirname, isAbsolute, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { importGlobPlugin } from 'rolldown/experimental'

const packages = fileURLToPath(new URL('./node_modules', import.meta.url))

const common = {
  platform: 'browser',
  // Without this condition ONNX Runtime's default build names its 27 MB wasm beside itself and every bundler ships it.
  resolve: { conditionNames: ['onnxruntime-web-use-extern-wasm', 'import', 'module', 'browser', 'default'] },
  transform: { target: 'es2022', define: { 'process.env.NODE_ENV': '"production"' } },
}
const output = {
  format: 'es',
  sourcemap: false,
  hashCharacters: 'hex',
  entryFileNames: '[name].js',
  chunkFileNames: '[name]-[hash].js',
  // Annotations such as `@vite-ignore` are for the consumer's bundler; licences are in THIRD-PARTY.md.
  comments: { legal: false, annotation: true },
}

/** WebAssembly that workers fetch by their own address. */
const copyAssets = {
  name: 'copy-assets',
  writeBundle() {
    const runtime = join(packages, 'onnxruntime-web', 'dist')
    const files = [
      join(runtime, 'ort-wasm-simd-threaded.mjs'),
      join(runtime, 'ort-wasm-simd-threaded.wasm'),
      join(runtime, 'ort-wasm-simd-threaded.asyncify.mjs'),
      join(runtime, 'ort-wasm-simd-threaded.asyncify.wasm'),
      join(packages, '@wllama', 'wllama', 'esm', 'wasm', 'wllama.wasm'),
      join(packages, 'quickjs-wasi', 'quickjs.wasm'),
    ]
    mkdirSync('dist/workers', { recursive: true })
    for (const file of files) copyFileSync(file, join('dist/workers', basename(file)))
  },
}

/** What Vite does with `import.meta.glob(…, { query: '?url&inline' })`, for the character maps of PDF. */
const inlineFiles = {
  name: 'inline-files',
  resolveId: (id, importer) =>
    id.endsWith('?url&inline') ? (isAbsolute(id) ? id : join(dirname(importer), id)) : undefined,
  load: (id) => {
    if (!id.endsWith('?url&inline')) return undefined
    const base64 = readFileSync(id.slice(0, id.indexOf('?'))).toString('base64')
    return { code: `export default 'data:application/octet-stream;base64,${base64}'`, moduleType: 'js' }
  },
}

/** A consumer's bundler looks for the name `Worker`: what starts workers keeps its names. */
const readable = { compress: true, mangle: false, codegen: true }

const keepPackageWorkers = {
  name: 'keep-package-workers',
  resolveId: (id, importer) =>
    importer && id.endsWith('/package-workers.js') ? { id: './package-workers.js', external: true } : undefined,
}

/** Entries `alcove/tools/<name>`: beside `index.js`, so that the addresses of workers hold in them. */
const BUILTIN_TOOLS = 'search calculator clock javascript python notes files image web-search memory'.split(' ')
const builtinTools = {
  ...Object.fromEntries(BUILTIN_TOOLS.map((name) => [`tool-${name}`, `src/tools/builtin/${name}.ts`])),
  'tool-fetch-page': 'src/tool-fetch-page.ts',
  'tool-page-context': 'src/tool-page-context.ts',
}

/** The page's entries. */
const page = {
  ...common,
  input: {
    index: 'src/index.ts',
    agents: 'src/agents.ts',
    testing: 'src/testing.ts',
    'testing-contracts': 'src/testing-contracts.ts',
    openai: 'src/openai.ts',
    'ai-sdk': 'src/ai-sdk.ts',
    mcp: 'src/mcp.ts',
    webmcp: 'src/webmcp.ts',
    ...builtinTools,
  },
  plugins: [keepPackageWorkers],
  output: { ...output, minify: true, dir: 'dist' },
}

const packageWorkers = {
  ...common,
  input: { 'package-workers': 'src/package-workers.ts' },
  output: { ...output, minify: readable, dir: 'dist' },
}

/** Workers that start no worker of their own. */
const leafWorkers = ['llm', 'parse', 'embed'].map((name) => ({
  ...common,
  input: { [`${name}.worker`]: `workers/${name}.worker.ts` },
  plugins: [importGlobPlugin(), inlineFiles],
  output: { ...output, minify: true, dir: 'dist/workers', chunkFileNames: `${name}-[name]-[hash].js` },
}))

/** Starts the parse and embedding workers, so it is not mangled either. */
const retrievalWorker = {
  ...common,
  input: { 'retrieval.worker': 'workers/retrieval.worker.ts' },
  plugins: [copyAssets],
  output: {
    ...output,
    minify: readable,
    dir: 'dist/workers',
    chunkFileNames: 'retrieval-[name]-[hash].js',
  },
}

/** One self-contained file an engine: workers reach it by address, so that no consumer's bundler inlines megabytes into a worker. */
const engines = ['web-llm', 'wllama', 'transformers'].map((name) => ({
  ...common,
  input: { [`engine-${name}`]: `workers/engine-${name}.ts` },
  output: { ...output, minify: true, dir: 'dist/workers', codeSplitting: false },
}))

/** The script of the sandbox's frame: a classic one, which an opaque origin may load. */
const sandbox = {
  ...common,
  input: 'workers/sandbox/frame.ts',
  output: { format: 'iife', file: 'dist/workers/sandbox.js', minify: true },
}

/** What runs a model's code in the sandbox: the page fetches it as text. */
const sandboxWorkers = ['javascript', 'python'].map((name) => ({
  ...common,
  input: `workers/sandbox/${name}.ts`,
  output: { format: 'iife', file: `dist/workers/sandbox-${name}.js`, minify: true },
}))
/** The package's command, for Node. Embedding there takes the transformers.js of who installs it. */
const command = {
  ...common,
  platform: 'node',
  resolve: { conditionNames: ['import', 'module', 'node', 'default'] },
  input: { alcove: 'cli/alcove.ts' },
  external: ['@huggingface/transformers', '@napi-rs/canvas'],
  plugins: [importGlobPlugin(), inlineFiles],
  output: { ...output, minify: true, dir: 'dist/cli', chunkFileNames: '[name]-[hash].js' },
}

/** In a classic script there is no `import.meta`, and a relative `import()` has no base: both get the script's own address. */
const scriptAddress = {
  name: 'script-address',
  resolveId: (id, _importer, { kind }) => (kind === 'dynamic-import' ? { id, external: true } : undefined),
  transform: (code) =>
    code.includes('import.meta.url') ? code.replaceAll('import.meta.url', '__alcoveUrl') : undefined,
  renderChunk: (code) =>
    code.replace(
      /\bimport\(\s*(["'`])(\.[^"'`]+)\1\s*\)/g,
      (_all, _quote, id) => `import(new URL("${id}",__alcoveUrl).href)`,
    ),
}

/** The script-tag build, from the finished page entry: its lazy chunks are the same files. */
export const script = {
  ...common,
  input: 'dist/index.js',
  plugins: [scriptAddress],
  output: {
    format: 'iife',
    name: 'Alcove',
    exports: 'named',
    minify: true,
    file: 'dist/alcove.iife.js',
    intro: 'const __alcoveUrl=document.currentScript&&document.currentScript.src||location.href;',
  },
}

export default [page, packageWorkers, ...leafWorkers, retrievalWorker, ...engines, sandbox, ...sandboxWorkers, command]

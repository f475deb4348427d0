// Serves the demo at once, and fetches the small models behind it. `npm start [-- --port 4173]`
import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { CONTENT_SECURITY_POLICY, serve } from './serve.mjs'
import { ensurePackages, root, run } from './setup.mjs'

/** The newest change below a folder or file, in milliseconds since the epoch. @param {string} path @returns {number} */
function newestChange(path) {
  const info = statSync(path)
  if (!info.isDirectory()) return info.mtimeMs
  return Math.max(
    0,
    ...readdirSync(path)
      .filter((name) => name !== 'dist')
      .map((name) => newestChange(join(path, name))),
  )
}

/** Builds the library and the demo when there is no build or a source is newer. */
async function ensureBuild() {
  const built = join(root, 'demo', 'dist', 'index.html')
  const sources = ['src', 'workers', 'demo', 'examples', 'vite.config.ts', 'package.json'].map((name) =>
    join(root, name),
  )
  if (existsSync(built) && statSync(built).mtimeMs > Math.max(...sources.map(newestChange))) return
  console.log('Building …')
  const code = await run('node', ['scripts/build.mjs', '--without-tests'])
  if (code !== 0) throw new Error(`the build ended with ${code}: the lines above say why.`)
}

/** @param {{ mounts: (readonly [string, string])[], headers: Record<string, string> }} site @param {number} port */
async function serveOnFreePort(site, port) {
  try {
    return await serve({ ...site, port })
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code !== 'EADDRINUSE') throw error
    return serve({ ...site, port: 0 })
  }
}

async function main() {
  const { values } = parseArgs({ options: { port: { type: 'string', default: '4173' } } })
  await ensurePackages()
  await ensureBuild()
  const own = join(root, 'models')
  const named = process.env.ALCOVE_MODELS_DIR
  const mounts = [...(named ? [named] : []), own].map((folder) => /** @type {const} */ (['/models/', folder]))
  const headers = {
    'content-security-policy': CONTENT_SECURITY_POLICY,
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
  }
  const site = await serveOnFreePort(
    { mounts: [...mounts, ['/', join(root, 'demo', 'dist')]], headers },
    Number(values.port),
  )
  console.log(`\n  Alcove's demo is at ${site.url}\n  Stop it with Ctrl+C.\n`)
  const { ensureModels } = await import('./models.mjs')
  const { missing } = await ensureModels({ directory: own, log: (line) => console.log(line) })
  if (missing.length > 0)
    console.log('The demo works without them: it searches by keyword and quotes from your documents.')
}

main().catch((error) => {
  console.error(error.message ?? error)
  process.exitCode = 1
})

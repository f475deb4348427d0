// Builds the library into dist/, the demo into demo/dist/ and, unless told `--without-tests`, the browser tests' pages into .alcove/pages/.
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { ensurePackages, root, run } from './setup.mjs'

async function bundle() {
  process.chdir(root)
  const { rolldown } = await import('rolldown')
  const { default: configs, script } = await import('../rolldown.config.mjs')
  rmSync(join(root, 'dist'), { recursive: true, force: true })
  // The script build reads the finished page entry, so it comes last.
  for (const { output, ...input } of [...configs, script]) {
    const build = await rolldown(input)
    await build.write(output)
    await build.close()
  }
}

/** @param {string} what @param {readonly string[]} args */
async function step(what, args) {
  const code = await run('npx', args)
  if (code !== 0) throw new Error(`${what} failed (${code}): the lines above say why.`)
}

async function main() {
  const { values } = parseArgs({ options: { 'without-tests': { type: 'boolean', default: false } } })
  await ensurePackages()
  const started = Date.now()
  const { writeKernels } = await import('./compile-kernels.mjs')
  await writeKernels()
  await bundle()
  await step('the declarations', ['tsc', '-p', 'tsconfig.build.json'])
  await step('the demo', ['vite', 'build', '--config', 'demo/vite.config.ts', '--logLevel', 'warn'])
  if (!values['without-tests']) {
    await step("the tests' pages", ['vite', 'build', '--config', 'test/browser/vite.config.ts', '--logLevel', 'warn'])
  }
  console.log(`Built in ${((Date.now() - started) / 1000).toFixed(1)} s.`)
}

main().catch((error) => {
  console.error(error.message ?? error)
  process.exitCode = 1
})

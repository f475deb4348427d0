// Everything that must hold, from a bare checkout: sets up what is missing, builds, checks, tests, and ends with the plain total.
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { ensureBrowser, ensurePackages, openStateFolder, root, run } from './setup.mjs'

/** @typedef {{ name: string, passed: number, failed: number, skipped: number }} Tally */

/** @param {string} name @param {string} command @param {readonly string[]} args @returns {Promise<Tally>} */
async function check(name, command, args) {
  console.log(`\n── ${name}`)
  const code = await run(command, args)
  return { name, passed: code === 0 ? 1 : 0, failed: code === 0 ? 0 : 1, skipped: 0 }
}

/**
 * Runs a test runner that writes a JSON report. A runner that fails without naming a failed test counts as one failure.
 * @param {string} name @param {readonly string[]} args @param {Record<string, string>} env @param {string} report
 * @param {(report: any) => { passed: number, failed: number, skipped: number }} read
 * @returns {Promise<Tally>}
 */
async function suite(name, args, env, report, read) {
  console.log(`\n── ${name}`)
  rmSync(report, { force: true })
  const code = await run('npx', args, env)
  if (!existsSync(report)) return { name, passed: 0, failed: 1, skipped: 0 }
  const tally = read(JSON.parse(readFileSync(report, 'utf8')))
  return { name, ...tally, failed: Math.max(tally.failed, code === 0 ? 0 : 1) }
}

/** Makes sure of the small models; where none can be had the tests say which checks did not run. */
async function findModels() {
  const { ensureModels } = await import('./models.mjs')
  const directory = join(root, 'models')
  const { missing } = await ensureModels({ directory, log: (line) => console.log(line) })
  for (const { name, reason } of missing) console.log(`Model checks of ${name} do not run: ${reason}`)
  process.env.ALCOVE_MODELS_DIR ??= directory
}

async function main() {
  await ensurePackages()
  const browser = await ensureBrowser()
  if (browser) process.env.ALCOVE_BROWSER = browser
  await findModels()
  const state = openStateFolder()
  const tallies = [
    await check('build', 'node', ['scripts/build.mjs']),
    await check('lint and format', 'npx', ['biome', 'check', '.']),
    await check('types', 'npx', ['tsc', '-p', 'tsconfig.json']),
  ]
  const unit = join(state, 'unit.json')
  tallies.push(
    await suite(
      'unit, contract and architecture tests',
      ['vitest', 'run', '--reporter=default', '--reporter=json', `--outputFile.json=${unit}`],
      {},
      unit,
      (report) => ({
        passed: report.numPassedTests,
        failed: report.numFailedTests + report.numFailedTestSuites * (report.numFailedTests === 0 ? 1 : 0),
        skipped: report.numPendingTests + report.numTodoTests,
      }),
    ),
  )
  const pages = join(state, 'browser.json')
  tallies.push(
    await suite(
      'browser and demo tests',
      ['playwright', 'test'],
      { PLAYWRIGHT_JSON_OUTPUT_NAME: pages },
      pages,
      (report) => ({
        passed: report.stats.expected + report.stats.flaky,
        failed: report.stats.unexpected + report.errors.length,
        skipped: report.stats.skipped,
      }),
    ),
  )
  console.log('')
  for (const { name, passed, failed, skipped } of tallies)
    console.log(`  ${failed ? '✗' : '✓'} ${name}: ${passed} passed, ${failed} failed, ${skipped} skipped`)
  const sum = (/** @type {'passed' | 'failed' | 'skipped'} */ key) =>
    tallies.reduce((total, tally) => total + tally[key], 0)
  const failed = sum('failed')
  console.log(`${sum('passed')} passed, ${failed} failed, ${sum('skipped')} skipped`)
  process.exitCode = failed === 0 ? 0 : 1
}

main().catch((error) => {
  console.error(error.message ?? error)
  console.log('0 passed, 1 failed')
  process.exitCode = 1
})

// @ts-check
import { spawn } from 'node:child_process'
import { mkdir, readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { checkFile, isComplete } from './checked-file.mjs'

/** @typedef {{ package: string, version: string, wheel: { bytes: number, sha256: string } }} PipPackage */
/** @typedef {{ commands: string[][], signal?: AbortSignal | undefined, onProgress?: (received: number, total?: number) => void }} PipOptions */

/**
 * @param {string[]} command @param {string[]} rest
 * @param {{ signal?: AbortSignal | undefined, env?: NodeJS.ProcessEnv }} [options]
 * @returns {Promise<{ code: number | null, output: string, errors: string }>}
 */
function run([file, ...first], rest, { signal, env = process.env } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(/** @type {string} */ (file), [...first, ...rest], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env,
      ...(signal ? { signal } : {}),
    })
    let output = ''
    let errors = ''
    child.stdout.on('data', (chunk) => (output += chunk))
    child.stderr.on('data', (chunk) => (errors += chunk))
    child.on('error', reject)
    child.on('close', (code) => resolve({ code, output, errors }))
  })
}

/** @param {string[][]} commands @param {AbortSignal} [signal] @returns {Promise<string[]>} the first that is a pip of Python 3 */
export async function findPip(commands, signal) {
  for (const command of commands) {
    try {
      const { code, output } = await run(command, ['--version'], { signal })
      if (code === 0 && /^pip \d+.*python 3/s.test(output)) return command
    } catch {
      signal?.throwIfAborted()
    }
  }
  throw new Error(`pip was not found (tried ${commands.map((command) => command.join(' ')).join(', ')})`)
}

/** @param {string} folder @returns {Promise<number>} */
async function countBytesIn(folder) {
  let total = 0
  for (const entry of await readdir(folder, { withFileTypes: true, recursive: true }).catch(() => [])) {
    if (entry.isFile())
      total += await stat(join(entry.parentPath ?? entry.path, entry.name)).then(
        ({ size }) => size,
        () => 0,
      )
  }
  return total
}

/** @param {string} folder @param {PipPackage} wanted */
async function findWheel(folder, wanted) {
  const prefix = `${wanted.package.replaceAll('-', '_')}-${wanted.version}-`
  const name = (await readdir(folder).catch(() => [])).find((file) => file.startsWith(prefix) && file.endsWith('.whl'))
  return name && join(folder, name)
}

/** @param {string} errors */
function pickReason(errors) {
  const lines = errors
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter(Boolean)
  return lines.findLast((line) => line.startsWith('ERROR:'))?.slice(7) ?? lines.at(-1) ?? 'no reason given'
}

/**
 * Downloads a wheel with whatever package index this machine's pip is set to. Returns its path.
 * @param {PipPackage} wanted @param {string} folder @param {PipOptions} options
 */
export async function downloadWheel(wanted, folder, { commands, signal, onProgress = () => {} }) {
  const present = await findWheel(folder, wanted)
  if (present && (await isComplete(present, wanted.wheel))) return present
  if (present) await rm(present)
  const pip = await findPip(commands, signal)
  const temporary = join(folder, 'pip')
  await rm(temporary, { recursive: true, force: true })
  await mkdir(temporary, { recursive: true })
  // pip tells nothing that could be read while it works; its temporary folder grows, so that is watched.
  const watch = async () => {
    const received = await countBytesIn(temporary)
    if (received > 0) onProgress(received, wanted.wheel.bytes)
  }
  const timer = setInterval(watch, 1000)
  const env = {
    ...process.env,
    TMPDIR: temporary,
    TEMP: temporary,
    TMP: temporary,
    PIP_DISABLE_PIP_VERSION_CHECK: '1',
    PIP_NO_INPUT: '1',
  }
  // Only wheels: to fetch a source package, pip would run code from it.
  const options = [
    '--no-deps',
    '--only-binary=:all:',
    '--ignore-requires-python',
    '--retries',
    '2',
    '--timeout',
    '15',
    '--progress-bar',
    'off',
  ]
  try {
    const { code, errors } = await run(
      pip,
      ['download', ...options, '-d', folder, `${wanted.package}==${wanted.version}`],
      { signal, env },
    )
    if (code !== 0) throw new Error(`${pip.join(' ')} could not get it: ${pickReason(errors)}`)
  } finally {
    clearInterval(timer)
    await rm(temporary, { recursive: true, force: true })
  }
  const wheel = await findWheel(folder, wanted)
  if (!wheel) throw new Error(`${pip.join(' ')} left no wheel of ${wanted.package} ${wanted.version}`)
  try {
    await checkFile(wheel, wanted.wheel, wheel)
  } catch (error) {
    await rm(wheel, { force: true })
    throw error
  }
  return wheel
}

// What has to be there before anything can be built or tested: packages and a browser. Node only, no packages needed.
import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = dirname(dirname(fileURLToPath(import.meta.url)))

/**
 * Runs a program in the project folder and resolves with its exit code. Output goes to ours.
 * @param {string} command @param {readonly string[]} args @param {Record<string, string>} [env]
 * @returns {Promise<number>}
 */
export function run(command, args, env = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd: root,
      stdio: ['ignore', 'inherit', 'inherit'],
      env: { ...process.env, ...env },
    })
    child.once('error', () => resolve(127))
    child.once('exit', (code, signal) => resolve(code ?? (signal ? 1 : 0)))
  })
}

/** The folder of small facts that scripts keep between runs. */
export const stateFolder = join(root, '.alcove')

/**
 * Installs the packages when they are missing or what is asked for has changed since. Not `npm ci`: it refuses a lock file that was made where
 * the optional builds for other systems could not be looked up. Throws when it fails.
 */
export async function ensurePackages() {
  const stamp = join(root, 'node_modules', '.alcove-packages')
  const wanted = () => {
    const hash = createHash('sha256')
    for (const name of ['package.json', 'package-lock.json']) hash.update(readFileSync(join(root, name)))
    return hash.digest('hex')
  }
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted()) return
  console.log('Installing packages …')
  const code = await run('npm', ['install', '--no-audit', '--no-fund', '--loglevel=error'])
  if (code !== 0) {
    throw new Error(
      `npm install ended with ${code}: check the connection and the free disk space, then run this again.`,
    )
  }
  writeFileSync(stamp, wanted())
}

const BROWSER_PATHS = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/usr/bin/google-chrome-stable',
  '/snap/bin/chromium',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
  'C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe',
  'C:\\Program Files (x86)\\Google\\Chrome\\Application\\chrome.exe',
]

/** @param {string} path */
const starts = (path) =>
  existsSync(path) && spawnSync(path, ['--version'], { stdio: 'ignore', timeout: 20_000 }).status === 0

async function findBrowser() {
  const named = process.env.ALCOVE_BROWSER
  if (named) return starts(named) ? named : undefined
  const installed = BROWSER_PATHS.find(starts)
  if (installed) return installed
  const { chromium } = await import('@playwright/test')
  return starts(chromium.executablePath()) ? chromium.executablePath() : undefined
}

/**
 * The path of a Chromium: an installed one, else one that Playwright installs, else (as root on a Debian-like system) the system's
 * own package. `ALCOVE_INSTALL_BROWSER=0` forbids installing. Undefined with a message when none can be had.
 * @returns {Promise<string | undefined>}
 */
export async function ensureBrowser() {
  const found = await findBrowser()
  if (found) return found
  if (process.env.ALCOVE_INSTALL_BROWSER === '0') {
    console.error(
      'No Chromium found, and ALCOVE_INSTALL_BROWSER=0 forbids installing one. Install Chromium or Chrome, or name it in ALCOVE_BROWSER.',
    )
    return undefined
  }
  console.log('No Chromium found: letting Playwright install one …')
  if ((await run('npx', ['playwright', 'install', 'chromium'])) === 0) {
    const own = await findBrowser()
    if (own) return own
  }
  if (process.getuid?.() === 0 && existsSync('/usr/bin/apt-get')) {
    console.log("Playwright could not: installing the system's package `chromium` with apt-get …")
    const env = { DEBIAN_FRONTEND: 'noninteractive' }
    await run('apt-get', ['update', '-qq'], env)
    await run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', 'chromium'], env)
    const own = await findBrowser()
    if (own) return own
  }
  console.error(
    'No Chromium could be installed. Install Chromium or Chrome, or name its path in ALCOVE_BROWSER, and run this again.',
  )
  return undefined
}

/** The folder for small facts, made when it is missing. */
export function openStateFolder() {
  mkdirSync(stateFolder, { recursive: true })
  return stateFolder
}

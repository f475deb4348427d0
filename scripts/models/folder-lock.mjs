// @ts-check
import { mkdir, open, rm, stat, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'

const beatMs = 2000
const staleMs = 20_000

/** @param {string} path */
async function tryLock(path) {
  try {
    await (await open(path, 'wx')).close()
    return true
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code !== 'EEXIST') throw error
    const age = await stat(path).then(
      ({ mtimeMs }) => Date.now() - mtimeMs,
      () => Infinity,
    )
    // Its holder renews it, so an old one is what a killed process left behind.
    if (age > staleMs) await rm(path, { force: true })
    return false
  }
}

/**
 * Runs `work` while no other process does the same in this folder: `npm start` and `npm test` may run together.
 * @template T @param {string} folder @param {() => Promise<T>} work
 * @param {{ signal?: AbortSignal | undefined, onWait?: () => void }} [options] @returns {Promise<T>}
 */
export async function withFolderLock(folder, work, { signal, onWait = () => {} } = {}) {
  await mkdir(folder, { recursive: true })
  const path = join(folder, 'lock')
  for (let tries = 0; !(await tryLock(path)); tries += 1) {
    if (tries === 1) onWait()
    await wait(500, undefined, signal ? { signal } : {})
  }
  const timer = setInterval(() => utimes(path, new Date(), new Date()).catch(() => {}), beatMs)
  try {
    return await work()
  } finally {
    clearInterval(timer)
    await rm(path, { force: true })
  }
}

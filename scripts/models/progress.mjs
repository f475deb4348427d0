// @ts-check

/** @typedef {{ name: string, received: number, total: number | undefined, bytesPerSecond: number }} Progress */
/** @typedef {(line: string, progress?: Progress) => void} Log lines with `progress` replace each other on a terminal */

const mega = 1_000_000

/** @param {number} bytes */
export function formatBytes(bytes) {
  if (bytes >= mega) return `${(bytes / mega).toFixed(1)} MB`
  return bytes >= 1000 ? `${Math.round(bytes / 1000)} kB` : `${bytes} bytes`
}

/**
 * Turns byte counts into at most one line a second.
 * @param {Log} log @param {string} name @param {() => number} [now] milliseconds
 */
export function trackProgress(log, name, now = () => performance.now()) {
  /** @type {{ at: number, received: number } | undefined} */
  let first
  let last = -Infinity
  return (/** @type {number} */ received, /** @type {number | undefined} */ total) => {
    const at = now()
    // What an earlier run had fetched does not count for the rate.
    first ??= { at, received }
    if (at - last < 1000 && received !== total) return
    last = at
    const seconds = (at - first.at) / 1000
    const bytesPerSecond = seconds > 0 ? (received - first.received) / seconds : 0
    const share = total ? ` of ${formatBytes(total)} (${Math.floor((received / total) * 100)} %)` : ''
    const rate = bytesPerSecond > 0 ? `, ${formatBytes(Math.round(bytesPerSecond))}/s` : ''
    log(`${name}: ${formatBytes(received)}${share}${rate}`, { name, received, total, bytesPerSecond })
  }
}

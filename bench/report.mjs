// Prints what is in bench/results/ as a Markdown table. `node bench/report.mjs [name …]`; the README and the docs quote it.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const folder = fileURLToPath(new URL('results', import.meta.url))

/** @param {number} value */
function round(value) {
  const size = Math.abs(value)
  if (size >= 100 || Number.isInteger(value)) return Math.round(value).toLocaleString('en')
  return String(Number(value.toPrecision(size >= 10 ? 3 : 2)))
}

/** A ratio: three digits near 1, where the third one matters. @param {number} ratio */
const formatRatio = (ratio) => `${ratio >= 0.1 && ratio < 10 ? Number(ratio.toPrecision(3)) : round(ratio)} ×`

/** @param {number} bytes */
function formatBytes(bytes) {
  if (Math.abs(bytes) >= 1e6) return `${(bytes / 1e6).toFixed(2)} MB`
  return `${(bytes / 1e3).toFixed(1)} KB`
}

/** A value with its unit. @param {number} value @param {string} unit */
export function format(value, unit) {
  if (unit === 'bytes') return formatBytes(value)
  if (unit === 'nDCG@10') return value.toFixed(3)
  if (unit === '%') return `${round(value)} %`
  if (unit === '×') return `${round(value)} ×`
  return unit === '' ? round(value) : `${round(value)} ${unit}`
}

/** @param {{ goal: { on: string, most?: number, least?: number, met: boolean }, unit: string }} figure */
function formatGoal({ goal, unit }) {
  const bound = goal.most ?? goal.least ?? 0
  const value = goal.on === 'ratio' ? `${formatRatio(bound)} baseline` : format(bound, unit)
  const on = goal.on === 'value' || goal.on === 'ratio' ? '' : `${goal.on} `
  return `${goal.met ? '✓' : '✗'} ${on}${goal.most === undefined ? '≥' : '≤'} ${value}`
}

/** @param {any} figure */
function formatRow(figure) {
  const spread = figure.p95 === undefined ? '' : ` (p95 ${format(figure.p95, figure.unit)})`
  const baselines = (figure.baselines ?? []).map(
    (/** @type {any} */ { what, value, ratio, quoted }) =>
      `${what}${quoted ? ' (quoted)' : ''}: ${format(value, figure.unit)}, ${formatRatio(ratio)}`,
  )
  const goal = figure.goal ? formatGoal(figure) : ''
  return `| ${figure.what} | ${format(figure.value, figure.unit)}${spread} | ${baselines.join('; ')} | ${goal} |`
}

/**
 * A Markdown table of results. A ratio is Alcove's value over the baseline's.
 * @param {readonly any[]} results
 */
export function createTable(results) {
  const lines = ['| what | Alcove | baseline, and the ratio to it | goal |', '|---|---|---|---|']
  for (const { figures } of results) lines.push(...figures.map(formatRow))
  return lines.join('\n')
}

/** The stored results, of all benchmarks or of the named ones. @param {readonly string[]} [names] @returns {any[]} */
export function readResults(names = []) {
  return readdirSync(folder)
    .filter((file) => file.endsWith('.json') && (names.length === 0 || names.includes(file.slice(0, -'.json'.length))))
    .sort()
    .map((file) => JSON.parse(readFileSync(join(folder, file), 'utf8')))
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const results = readResults(process.argv.slice(2))
  console.log(createTable(results))
  const machines = new Set(
    results.map(({ machine, date }) => `${machine.cores} cores (${machine.cpu}), ${machine.browser}, ${date}`),
  )
  console.log(`\nMedians, measured on ${[...machines].join('; ')}.`)
}

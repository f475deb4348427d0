#!/usr/bin/env node
// The package's command: `npx alcove index docs/ -o index.alcove`.
import { setMaxListeners } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { isAlcoveError } from '../src/protocol/error.js'
import { indexFolder } from './index-folder.js'

const help = `Usage: alcove index <folder> [options]

Makes one file of a folder of documents, which a page searches by its address without embedding anything:
  const corpus = await alcove.corpus('docs', { url: 'index.alcove' })

Options:
  -o, --output <file>       where to write it                           (index.alcove)
  -n, --name <name>         name of the corpus in the file              (name of the folder)
  -m, --model <id|folder>   embedding model: an id such as transformers:all-MiniLM-L6-v2, or a folder with its files
                                                                        (transformers:all-MiniLM-L6-v2)
      --no-vectors          index by keyword alone; no model is loaded
      --base-url <url>      gives each document an address: this, and its path in the folder
      --chunk-tokens <n>    longest passage, in tokens                  (256)
      --overlap-tokens <n>  tokens that neighbouring passages share     (32)
  -q, --quiet               tell of nothing but errors
  -h, --help                show this

Embedding needs the package @huggingface/transformers beside this one. Files of any kind that a page can add are read; others, and those
that cannot be read, are named and left out. The same files give the same bytes: the time of adding is SOURCE_DATE_EPOCH, else 0.
`

const options = {
  output: { type: 'string', short: 'o', default: 'index.alcove' },
  name: { type: 'string', short: 'n' },
  model: { type: 'string', short: 'm', default: 'transformers:all-MiniLM-L6-v2' },
  'no-vectors': { type: 'boolean', default: false },
  'base-url': { type: 'string' },
  'chunk-tokens': { type: 'string' },
  'overlap-tokens': { type: 'string' },
  quiet: { type: 'boolean', short: 'q', default: false },
  help: { type: 'boolean', short: 'h', default: false },
} as const

const isTerminal = process.stderr.isTTY === true

function tell(line: string): void {
  process.stderr.write(`${isTerminal ? '\r\u001b[K' : ''}${line}\n`)
}

/** A line that the next one takes the place of; in a log there is none. */
function tellProgress(line: string): void {
  if (isTerminal) process.stderr.write(`\r\u001b[K${line}`)
}

function countOf(flag: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const count = Number(text)
  if (Number.isInteger(count)) return count
  throw new Error(`--${flag}: expected a whole number, got '${text}'`)
}

async function main(): Promise<number> {
  // Many documents wait for one signal: that is no leak.
  setMaxListeners(0)
  const { values, positionals } = parseArgs({ options, allowPositionals: true })
  const [command, folder, ...rest] = positionals
  if (values.help || command === 'help') {
    process.stdout.write(help)
    return 0
  }
  if (command !== 'index' || folder === undefined || rest.length > 0) {
    process.stderr.write(help)
    return 2
  }
  const output = resolve(values.output)
  const { file, result, skipped, chunks } = await indexFolder(folder, {
    output,
    name: values.name,
    model: values['no-vectors'] ? undefined : values.model,
    baseUrl: values['base-url'],
    chunkTokens: countOf('chunk-tokens', values['chunk-tokens']),
    overlapTokens: countOf('overlap-tokens', values['overlap-tokens']),
    onProgress: values.quiet ? () => {} : tellProgress,
  })
  for (const { title, message, hint } of result.failed) tell(`left out: ${title}: ${message}. ${hint}`)
  for (const { title, message } of result.warnings ?? []) tell(`note: ${title}: ${message}`)
  if (result.ids.length === 0) {
    tell(`alcove: there is no document to index in '${folder}'.`)
    return 1
  }
  await writeFile(output, file)
  if (!values.quiet) {
    const others = skipped.length > 0 ? `, ${skipped.length} files of other kinds passed over` : ''
    const size = `${(file.byteLength / 1e6).toFixed(2)} MB`
    tell(`${values.output}: ${result.ids.length} documents, ${chunks} passages, ${size}${others}.`)
  }
  return 0
}

main().then(
  (code) => {
    process.exitCode = code
  },
  (error: unknown) => {
    const hint = isAlcoveError(error) ? `. ${error.hint}` : ''
    tell(`alcove: ${error instanceof Error ? error.message : String(error)}${hint}`)
    process.exitCode = 1
  },
)

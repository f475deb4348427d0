import { readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'

const root = dirname(dirname(fileURLToPath(import.meta.url)))

/** Folders of `src/` by rank: a file imports its own folder and lower ranks only. */
const RANKS: Record<string, number> = {
  protocol: 0,
  runtime: 1,
  text: 1,
  telemetry: 2,
  rpc: 2,
  store: 2,
  engines: 3,
  retrieval: 4,
  tools: 4,
  agents: 5,
  testing: 6,
  interop: 6,
}
/** Files of `src/` itself: the composition root and the public entries. */
const TOP_RANK = 7
const SOFT_LINES = 300
const HARD_LINES = 500

function listFiles(folder: string): string[] {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name)
    if (statSync(path).isDirectory()) return ['node_modules', 'dist', 'results'].includes(name) ? [] : listFiles(path)
    return [path]
  })
}

const isCode = (path: string): boolean => /\.(ts|mjs)$/.test(path) && !path.endsWith('.d.ts')
const sources = listFiles(join(root, 'src')).filter(isCode)
const workers = listFiles(join(root, 'workers')).filter(isCode)

/** Relative imports of a file, static and dynamic, as absolute paths of sources. */
function importsOf(file: string): string[] {
  const text = readFileSync(file, 'utf8').replace(/\/\*[\s\S]*?\*\//g, '')
  const found = text.matchAll(/(?:\bfrom\s*|\bimport\s*\(?\s*)'(\.{1,2}\/[^']+)'/g)
  return [...found].map((match) => join(dirname(file), match[1] ?? '').replace(/\.js$/, '.ts'))
}

/** Like `importsOf`, without those that only take types and those that are made lazily: what is loaded together. */
function staticImportsOf(file: string): string[] {
  const text = readFileSync(file, 'utf8').replace(/\/\*[\s\S]*?\*\//g, '')
  const found = text.matchAll(/^(?:import|export)\s+(?!type\b)[^'";]*?from\s*'(\.{1,2}\/[^']+)'/gm)
  return [...found].map((match) => join(dirname(file), match[1] ?? '').replace(/\.js$/, '.ts'))
}

const folderOf = (file: string): string | undefined => {
  const [folder, rest] = relative(join(root, 'src'), file).split(/[\\/]/)
  return rest === undefined ? undefined : folder
}
const rankOf = (file: string): number => {
  const folder = folderOf(file)
  return folder === undefined ? TOP_RANK : (RANKS[folder] ?? Number.NaN)
}

describe('layers', () => {
  test('every folder of src/ has a rank', () => {
    const unranked = sources.filter((file) => Number.isNaN(rankOf(file))).map((file) => relative(root, file))
    expect(unranked).toEqual([])
  })

  test('a file imports only its own folder and lower ranks', () => {
    const wrong = sources.flatMap((file) =>
      importsOf(file)
        .filter((target) => folderOf(target) !== folderOf(file) && rankOf(target) >= rankOf(file))
        .map((target) => `${relative(root, file)} → ${relative(root, target)}`),
    )
    expect(wrong).toEqual([])
  })

  test('workers import ranks 0 to 4 only, and nothing imports a worker', () => {
    const tooHigh = workers.flatMap((file) => importsOf(file).filter((target) => rankOf(target) > 4))
    const inward = sources.flatMap((file) => importsOf(file).filter((target) => target.includes('.worker')))
    expect([...tooHigh, ...inward].map((file) => relative(root, file))).toEqual([])
  })

  test('every relative import exists', () => {
    const missing = [...sources, ...workers].flatMap((file) =>
      importsOf(file)
        .filter((target) => !statSync(target, { throwIfNoEntry: false })?.isFile())
        .map((target) => `${relative(root, file)} → ${relative(root, target)}`),
    )
    expect(missing).toEqual([])
  })

  test('there are no import cycles', () => {
    const done = new Set<string>()
    const cycles: string[] = []
    const visit = (file: string, path: readonly string[]): void => {
      if (path.includes(file)) {
        cycles.push([...path.slice(path.indexOf(file)), file].map((name) => relative(root, name)).join(' → '))
        return
      }
      if (done.has(file)) return
      for (const target of staticImportsOf(file)) visit(target, [...path, file])
      done.add(file)
    }
    for (const file of sources) visit(file, [])
    expect(cycles).toEqual([])
  })
})

describe('examples', () => {
  const examples = listFiles(join(root, 'examples')).filter(isCode)
  const numbered = examples.filter((file) => /\/\d\d-/.test(file))

  test('import the public entries only', () => {
    const entries = Object.keys(JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).exports)
    const isPublic = (specifier: string): boolean =>
      entries.includes(specifier.replace(/^alcove/, '.')) || specifier.startsWith('alcove/tools/')
    const specifiers = (file: string) =>
      [...readFileSync(file, 'utf8').matchAll(/(?:\bfrom\s*|\bimport\s*\(?\s*)'([^']+)'/g)].map(
        (match) => match[1] ?? '',
      )
    expect(numbered.length).toBeGreaterThan(10)
    expect(numbered.flatMap((file) => specifiers(file).filter((specifier) => !isPublic(specifier)))).toEqual([])
    expect(numbered.filter((file) => !specifiers(file).includes('alcove'))).toEqual([])
  })

  test('are short, and all are listed', () => {
    const long = numbered.filter((file) => readFileSync(file, 'utf8').trimEnd().split('\n').length > 40)
    expect(long.map((file) => relative(root, file))).toEqual([])
    const all = readFileSync(join(root, 'examples', 'all.ts'), 'utf8')
    const readme = readFileSync(join(root, 'examples', 'README.md'), 'utf8')
    const names = numbered.map((file) => relative(join(root, 'examples'), file).replace(/\.ts$/, ''))
    expect(names.filter((name) => !all.includes(`id: '${name}'`) || !readme.includes(`(${name}.ts)`))).toEqual([])
  })
})

describe('house style', () => {
  const own = ['src', 'workers', 'cli', 'demo', 'examples', 'test', 'bench', 'scripts']
    .flatMap((folder) => listFiles(join(root, folder)))
    .filter(isCode)

  test(`no file has more than ${HARD_LINES} lines, and few more than ${SOFT_LINES}`, () => {
    const lines = own.map((file) => ({
      file: relative(root, file),
      lines: readFileSync(file, 'utf8').split('\n').length,
    }))
    expect(lines.filter((row) => row.lines > HARD_LINES)).toEqual([])
    const long = lines.filter((row) => row.lines > SOFT_LINES && !row.file.startsWith('test'))
    expect(long.length, JSON.stringify(long)).toBeLessThanOrEqual(Math.ceil(own.length * 0.1))
  })

  test('file names are kebab-case, and none is an attic', () => {
    const wrong = own.filter(
      (file) => !/^[a-z0-9]+(?:[-.][a-z0-9]+)*\.(ts|mjs)$/.test(file.split(/[\\/]/).at(-1) ?? ''),
    )
    const attics = own.filter((file) => /\/(utils?|helpers?|misc|common)\.(ts|mjs)$/.test(file))
    expect([...wrong, ...attics].map((file) => relative(root, file))).toEqual([])
  })

  test('nothing under src/ evaluates text as code', () => {
    const evil = [...sources, ...workers].filter((file) => /\bnew Function\b|\beval\(/.test(readFileSync(file, 'utf8')))
    expect(evil.map((file) => relative(root, file))).toEqual([])
  })
})

import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const types = join(root, 'dist', 'types')
const { dependencies, exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  dependencies: Record<string, string>
  exports: Record<string, string | { types: string; default: string }>
}

/** Packages that the declarations of an entry name, directly or through others. */
function packagesOf(entry: string): string[] {
  const seen = new Set<string>()
  const packages = new Set<string>()
  const visit = (file: string): void => {
    if (seen.has(file)) return
    seen.add(file)
    for (const [, name = ''] of readFileSync(file, 'utf8').matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)) {
      if (name.startsWith('.')) visit(join(dirname(file), name.replace(/\.js$/, '.d.ts')))
      else packages.add(name)
    }
  }
  visit(join(types, entry))
  return [...packages]
}

test('the build is there', () => {
  expect(existsSync(types), 'run `npm run build` first').toBe(true)
})

/** Declarations of the entries `alcove/tools/<name>`, by name. */
const toolEntries = Object.fromEntries(
  readdirSync(join(root, 'dist'))
    .flatMap((file) => /^tool-([a-z]+(?:-[a-z]+)?)\.js$/.exec(file)?.[1] ?? [])
    .map((name) => {
      const { types } = (exports[`./tools/${name}`] ?? exports['./tools/*']) as { types: string }
      return [name, types.replace('./dist/types/', '').replace('*', name)]
    }),
)
/** Declarations of all entries, within the folder of types. */
const entries = new Set([
  ...Object.values(exports).flatMap((target) =>
    typeof target === 'string' || target.types.includes('*') ? [] : [relative('dist/types', target.types)],
  ),
  ...Object.values(toolEntries),
])

test('each built-in tool is an entry, with its declarations', () => {
  const names = 'calculator clock fetch-page files image javascript memory notes page-context python search web-search'
  expect(Object.keys(toolEntries).sort()).toEqual(names.split(' '))
  const missing = Object.values(toolEntries).filter((entry) => !existsSync(join(types, entry)))
  expect(missing).toEqual([])
})

test.each([...entries])('%s needs no package that a consumer does not get', (entry) => {
  expect(packagesOf(entry).filter((name) => !(name in dependencies))).toEqual([])
})

test('every export of the package exists', () => {
  const files = Object.values(exports).flatMap((target) =>
    typeof target === 'string' ? [target] : [target.types, target.default],
  )
  const missing = files.filter((file) => !file.includes('*') && !existsSync(join(root, file)))
  expect(missing.map((file) => relative('.', file))).toEqual([])
})

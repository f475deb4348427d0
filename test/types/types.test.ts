import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

const own = dirname(fileURLToPath(import.meta.url))
const root = dirname(dirname(own))
const SAMPLES = ['parts.ts', 'options.ts', 'tools.ts', 'sessions.ts']

/** A consumer's project, with the package as it is published and nothing else installed. */
let app = ''

function compile(...files: readonly string[]): string {
  const compilerOptions = {
    target: 'ES2022',
    lib: ['ES2022', 'DOM', 'DOM.Iterable', 'DOM.AsyncIterable'],
    module: 'ESNext',
    moduleResolution: 'bundler',
    strict: true,
    exactOptionalPropertyTypes: true,
    noEmit: true,
    types: [],
    skipLibCheck: false,
  }
  writeFileSync(join(app, 'tsconfig.json'), JSON.stringify({ compilerOptions, files }))
  const compiler = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin', 'tsc')
  const { stdout, stderr } = spawnSync(process.execPath, [compiler, '-p', app], { encoding: 'utf8', cwd: app })
  return `${stdout}${stderr}`
}

describe('the published types', () => {
  beforeAll(() => {
    const types = join(root, 'dist', 'types')
    if (!existsSync(types)) throw new Error('dist/types is missing: run npm run build first')
    app = realpathSync(mkdtempSync(join(tmpdir(), 'alcove-types-')))
    const installed = join(app, 'node_modules', 'alcove')
    mkdirSync(installed, { recursive: true })
    cpSync(types, join(installed, 'dist', 'types'), { recursive: true })
    cpSync(join(root, 'package.json'), join(installed, 'package.json'))
    const { dependencies = {} } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
    for (const name of Object.keys(dependencies)) {
      cpSync(join(root, 'node_modules', name), join(app, 'node_modules', name), { recursive: true })
    }
    for (const file of SAMPLES) cpSync(join(own, file), join(app, file))
  })
  afterAll(() => rmSync(app, { recursive: true, force: true }))

  test('need nothing but what the package depends on', () => {
    writeFileSync(
      join(app, 'all.ts'),
      "export * from 'alcove'\nexport * from 'alcove/testing'\nexport * from 'alcove/testing/contracts'\nexport * as openai from 'alcove/openai'\nexport * as aiSdk from 'alcove/ai-sdk'\n",
    )
    expect(compile('all.ts')).toBe('')
  }, 60_000)

  test.each(SAMPLES)(
    '%s: what must compile does, and what must not does not',
    (file) => {
      expect(
        compile(file)
          .split('\n')
          .filter((line) => !line.startsWith('node_modules/')),
      ).toEqual([''])
    },
    60_000,
  )

  test('the compiler would tell', () => {
    writeFileSync(
      join(app, 'wrong.ts'),
      "import { createAlcove } from 'alcove'\ncreateAlcove({ modle: 'auto' })\n// @ts-expect-error nothing is wrong here\ncreateAlcove()\n",
    )
    expect(compile('wrong.ts')).toMatch(/wrong\.ts\(2,16\).*'modle'[\s\S]*wrong\.ts\(3,1\).*Unused '@ts-expect-error'/)
  }, 60_000)
})

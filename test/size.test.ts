import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'

const dist = join(dirname(dirname(fileURLToPath(import.meta.url))), 'dist')

/** What a page pays before it asks for anything, in bytes of gzip. */
const ENTRY_BUDGET = 15_000
const SCRIPT_BUDGET = 20_000
/** What a built-in tool costs before its first call, besides what the main entry has. */
const TOOL_BUDGET = 2_500

function readBuilt(file: string): string {
  const path = join(dist, file)
  if (!existsSync(path)) throw new Error(`dist/${file} is missing: run npm run build first`)
  return readFileSync(path, 'utf8')
}

/** Scripts of the package's entries, within `dist`. */
const entries = Object.values(
  JSON.parse(readFileSync(join(dist, '..', 'package.json'), 'utf8')).exports as Record<string, { default?: string }>,
).flatMap(({ default: file }) => (file === undefined || file.includes('*') ? [] : [file.slice('./dist/'.length)]))

/** The specifiers of a built module's static imports and re-exports. */
const staticImports = (code: string): string[] =>
  [...code.matchAll(/\b(?:import|export)\b[^'"`;()]*?\bfrom\s*["']([^"']+)["']|\bimport\s*["']([^"']+)["']/g)].map(
    (match) => match[1] ?? match[2] ?? '',
  )

/** A module of `dist` and everything that it imports statically. */
function closure(entry: string): string[] {
  const seen = new Set<string>()
  const visit = (file: string): void => {
    if (seen.has(file)) return
    seen.add(file)
    for (const specifier of staticImports(readBuilt(file))) visit(join(dirname(file), specifier))
  }
  visit(entry)
  return [...seen]
}

const gzipBytes = (files: readonly string[]): number =>
  files.reduce((sum, file) => sum + gzipSync(readBuilt(file), { level: 9 }).length, 0)

describe('what a page pays', () => {
  test(`the main entry with its static imports is at most ${ENTRY_BUDGET} bytes`, () => {
    const files = closure('index.js')
    expect(gzipBytes(files), files.join(', ')).toBeLessThanOrEqual(ENTRY_BUDGET)
    // A gauge that reads nothing measures nothing.
    expect(gzipBytes(files)).toBeGreaterThan(3_000)
  })

  test(`the script build is at most ${SCRIPT_BUDGET} bytes, in one file`, () => {
    expect(gzipBytes(['alcove.iife.js'])).toBeLessThanOrEqual(SCRIPT_BUDGET)
    expect(gzipBytes(['alcove.iife.js'])).toBeGreaterThan(3_000)
    expect(staticImports(readBuilt('alcove.iife.js'))).toEqual([])
  })

  test('the MCP client adds at most 16000 bytes to a page that has the main entry', () => {
    const shared = new Set(closure('index.js'))
    const added = (entry: string) => closure(entry).filter((file) => !shared.has(file))
    const transport = readdirSync(dist).filter((name) => /^http-transport-/.test(name))
    const files = [...new Set([...added('mcp.js'), ...transport.flatMap(added)])]
    expect(transport).toHaveLength(1)
    expect(gzipBytes(files), files.join(', ')).toBeLessThanOrEqual(16_000)
    expect(gzipBytes(added('mcp.js'))).toBeGreaterThan(3_000)
    expect(gzipBytes(added('webmcp.js'))).toBeLessThanOrEqual(8_000)
  })

  test('a built-in tool costs its own few kilobytes, and an agent without one nothing', () => {
    const tools = readdirSync(dist).filter((name) => /^tool-[a-z]+(-[a-z]+)?\.js$/.test(name))
    expect(tools.length).toBe(12)
    const mine = new Set(closure('index.js'))
    for (const tool of tools) {
      const files = closure(tool).filter((file) => !mine.has(file))
      expect(gzipBytes(files), `${tool}: ${files.join(', ')}`).toBeLessThanOrEqual(TOOL_BUDGET)
      expect(mine.has(tool), tool).toBe(false)
    }
  })

  test('the entries import nothing but their own files', () => {
    for (const entry of entries) {
      const specifiers = closure(entry).flatMap((file) => staticImports(readBuilt(file)))
      expect(
        specifiers.filter((specifier) => !specifier.startsWith('.')),
        entry,
      ).toEqual([])
    }
  })

  test('engines and parsers are in no file of the page, only among the workers', () => {
    const onPage = readdirSync(dist).filter((name) => name.endsWith('.js'))
    for (const file of onPage) {
      expect(readBuilt(file), file).not.toMatch(/ort-wasm|onnxruntime|prebuiltAppConfig|GlobalWorkerOptions/)
    }
  })
})

describe('the gauge itself', () => {
  test('finds static imports of each form, and no dynamic ones', () => {
    const code = `import{a as b}from"./one.js";import"./two.js";export*from'./three.js';export{c}from "./four.js"
      const load=()=>import("./five.js");import d,{e}from'./six.js'`
    expect(staticImports(code)).toEqual(['./one.js', './two.js', './three.js', './four.js', './six.js'])
  })
})

import 'fake-indexeddb/auto'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { Hit } from '../../../src/protocol/corpus.js'
import { createMemoryStore } from '../../../src/store/store.js'
import { filesTool } from '../../../src/tools/builtin/files.js'
import { imageTool } from '../../../src/tools/builtin/image.js'
import { javascriptTool } from '../../../src/tools/builtin/javascript.js'
import { notesTool } from '../../../src/tools/builtin/notes.js'
import { pythonTool } from '../../../src/tools/builtin/python.js'
import { joinModules } from '../../../src/tools/builtin/python-session.js'
import { searchTool } from '../../../src/tools/builtin/search.js'
import { webSearchTool } from '../../../src/tools/builtin/web-search.js'
import type { Tool } from '../../../src/tools/tool.js'

const context = () => ({ signal: new AbortController().signal, callId: '1', report: () => {} })
const call = (tool: Tool, input: unknown) => tool.execute(input, context())

describe('searchTool', () => {
  const text = 'Alpha beta gamma delta'
  const hit: Hit = {
    id: 'c1',
    text,
    score: 1,
    ranks: { keyword: 1 },
    source: { id: 'd1', title: 'Letters', page: 3, headings: ['Greek', 'First'], url: 'https://a.test/' },
    span: [100, 100 + text.length],
  }

  it('gives passages with where they stand, and asks the corpus as it was told', async () => {
    const asked: unknown[] = []
    const corpus = {
      async search(query: string, options: object = {}) {
        asked.push([query, { ...options, signal: undefined }])
        return [hit, { ...hit, id: 'c2', source: { id: 'd2', title: 'Plain', headings: [] } }]
      },
    }
    const output = await call(searchTool(corpus, { topK: 2, where: { year: 2026 } }), { query: 'letters' })
    expect(asked).toEqual([['letters', { topK: 2, where: { year: 2026 }, signal: undefined }]])
    expect(output).toEqual({
      passages: [
        {
          number: 1,
          text,
          title: 'Letters',
          page: 3,
          section: 'Greek › First',
          url: 'https://a.test/',
          documentId: 'd1',
          span: [100, 122],
        },
        { number: 2, text, title: 'Plain', documentId: 'd2', span: [100, 122] },
      ],
    })
  })

  it('cuts a long passage with its span, so that the text still stands there', async () => {
    const tool = searchTool({ search: async () => [hit] }, { maxCharacters: 5 })
    expect(await call(tool, { query: 'x' })).toMatchObject({ passages: [{ text: 'Alpha', span: [100, 105] }] })
  })
})

describe('notesTool', () => {
  it('writes, reads, lists and deletes', async () => {
    const store = createMemoryStore()
    await store.write({ set: [['of another', 1]] })
    const notes = notesTool(store)
    expect(await call(notes, { action: 'list' })).toEqual({ keys: [] })
    await call(notes, { action: 'write', key: 'b', text: 'one' })
    await call(notes, { action: 'write', key: 'a', text: 'two' })
    await call(notes, { action: 'write', key: 'b', text: 'three' })
    expect(await call(notes, { action: 'list' })).toEqual({ keys: ['a', 'b'] })
    expect(await call(notes, { action: 'read', key: 'b' })).toEqual({ key: 'b', text: 'three' })
    expect(await call(notes, { action: 'delete', key: 'b' })).toEqual({ deleted: true })
    expect(await call(notes, { action: 'delete', key: 'b' })).toEqual({ deleted: false })
    await expect(call(notes, { action: 'read', key: 'b' })).rejects.toThrow("There is no note 'b'. There are: a.")
    expect(await store.get('of another')).toBe(1)
  })

  it('is kept in a database by name', async () => {
    await call(notesTool('notes-test'), { action: 'write', key: 'k', text: 't' })
    expect(await call(notesTool('notes-test'), { action: 'read', key: 'k' })).toEqual({ key: 'k', text: 't' })
  })

  it('bounds how many there are, and how long', async () => {
    const notes = notesTool(createMemoryStore(), { maxNotes: 1, maxCharacters: 3 })
    await call(notes, { action: 'write', key: 'a', text: 'x' })
    await call(notes, { action: 'write', key: 'a', text: 'y' })
    await expect(call(notes, { action: 'write', key: 'b', text: 'x' })).rejects.toThrow('There are 1 notes already')
    expect((await notes.checkInput({ action: 'write', key: 'a', text: 'long' })).isValid).toBe(false)
    expect((await notes.checkInput({ action: 'steal' })).isValid).toBe(false)
    await expect(call(notes, { action: 'write', key: 'a' })).rejects.toThrow('give its text')
    await expect(call(notes, { action: 'read' })).rejects.toThrow('give its key')
  })
})

describe('filesTool', () => {
  const file = (name: string, content: BlobPart = 'hello') => new File([content], name)

  it('reads the files that were opened and no others', async () => {
    const files = filesTool({ files: [file('a.txt'), file('a.txt', 'other')], maxCharacters: 3 })
    expect(files.list()).toEqual(['a.txt', 'a.txt (2)'])
    expect(await call(files, { action: 'list' })).toEqual({
      files: [
        { name: 'a.txt', bytes: 5 },
        { name: 'a.txt (2)', bytes: 5 },
      ],
    })
    expect(await call(files, { action: 'read', name: 'a.txt' })).toEqual({
      text: 'hel',
      continuesFrom: 3,
      characters: 5,
    })
    expect(await call(files, { action: 'read', name: 'a.txt', from: 3 })).toEqual({ text: 'lo' })
    await expect(call(files, { action: 'read', name: '../a.txt' })).rejects.toThrow('Open are: a.txt, a.txt (2)')
    expect(files.remove('a.txt')).toBe(true)
    await expect(call(files, { action: 'read', name: 'a.txt' })).rejects.toThrow('No open file')
  })

  it('refuses what is no text, and what is too large', async () => {
    const files = filesTool({
      files: [file('b', new Uint8Array([0xff, 0xfe, 0x80])), file('big', 'x'.repeat(20))],
      maxBytes: 10,
    })
    await expect(call(files, { action: 'read', name: 'b' })).rejects.toThrow('b is no text file')
    await expect(call(files, { action: 'read', name: 'big' })).rejects.toThrow('20 bytes, more than 10')
    await expect(call(files, { action: 'write', name: 'b', text: 'x'.repeat(11) })).rejects.toThrow(
      '11 bytes, more than 10',
    )
    await expect(call(files, { action: 'write', name: 'b' })).rejects.toThrow('give its whole text')
  })

  it('asks before it writes, unless the host says otherwise', () => {
    expect(filesTool().needsApproval({ action: 'write' })).toBe(true)
    expect(filesTool().needsApproval({ action: 'read' })).toBe(false)
    expect(filesTool({ needsApproval: false }).needsApproval({ action: 'write' })).toBe(false)
  })

  it('heeds what the user says to writing', async () => {
    const written: unknown[] = []
    const handle = (state: PermissionState, answer: PermissionState) =>
      ({
        name: state,
        kind: 'file',
        queryPermission: async () => state,
        requestPermission: async () => answer,
        createWritable: async () => ({ write: async (data: unknown) => written.push(data), close: async () => {} }),
      }) as unknown as FileSystemFileHandle
    const files = filesTool({
      files: [handle('granted', 'denied'), handle('prompt', 'granted'), handle('denied', 'denied')],
    })
    const write = (name: string) => call(files, { action: 'write', name, text: 'hi' })
    expect(await write('granted')).toEqual({ written: 'granted', bytes: 2 })
    expect(await write('prompt')).toEqual({ written: 'prompt', bytes: 2 })
    await expect(write('denied')).rejects.toMatchObject({ code: 'permission-denied' })
    expect(written.length).toBe(2)
  })
})

describe('adapters', () => {
  it('webSearchTool bounds and cleans what the host found, and asks first', async () => {
    const found = [
      { title: 'A'.repeat(500), url: 'https://a.test/', text: 'x'.repeat(900) },
      { title: 'Bad', url: 'javascript:alert(1)' },
      null,
      { url: 'https://b.test/' },
      { title: 'C', url: 'https://c.test/' },
      { title: 'D', url: 'https://d.test/' },
    ] as never
    const tool = webSearchTool({ search: () => found, maxResults: 3 })
    const { results } = (await call(tool, { query: 'q' })) as {
      results: { title: string; url: string; text?: string }[]
    }
    expect(results.map(({ url }) => url)).toEqual(['https://a.test/', 'https://b.test/', 'https://c.test/'])
    expect([results[0]?.title.length, results[0]?.text?.length]).toEqual([200, 400])
    expect(tool.needsApproval({})).toBe(true)
    await expect(call(webSearchTool({ search: () => 'no' as never }), { query: 'q' })).rejects.toThrow('no list')
    expect(() => webSearchTool({} as never)).toThrow('expected a function search')
  })

  it('imageTool gives a picture and nothing else', async () => {
    const picture = new Blob(['x'], { type: 'image/png' })
    const prompts: string[] = []
    const tool = imageTool({
      generate: ({ prompt }) => {
        prompts.push(prompt)
        return picture
      },
    })
    expect(await call(tool, { prompt: 'a cat' })).toBe(picture)
    expect(prompts).toEqual(['a cat'])
    const wrong = imageTool({ generate: () => new Blob(['<script>'], { type: 'text/html' }) })
    await expect(call(wrong, { prompt: 'x' })).rejects.toThrow("got one of type 'text/html'")
    await expect(call(imageTool({ generate: () => picture, maxBytes: 0 }), { prompt: 'x' })).rejects.toThrow(
      'more than 0',
    )
    expect(() => imageTool({} as never)).toThrow('expected a function generate')
  })
})

describe('code tools', () => {
  it('need a page, and say so', async () => {
    await expect(call(pythonTool({ baseUrl: 'https://a.test/pyodide/' }), { code: '1' })).rejects.toThrow()
    await expect(call(javascriptTool(), { code: '1' })).rejects.toThrow()
    expect(() => pythonTool({} as never)).toThrow(/expected baseUrl/)
  })

  it("Pyodide's two modules become one script that parses, and others are refused", () => {
    const folder = dirname(createRequire(import.meta.url).resolve('pyodide/package.json'))
    const read = (name: string) => readFileSync(join(folder, name), 'utf8')
    const [module, library] = [read('pyodide.asm.mjs'), read('pyodide.mjs')]
    const script = joinModules('', module, library)
    expect(script).not.toMatch(/import\.meta|\bexport default\b/)
    expect(script.length).toBeGreaterThan(1_000_000)
    for (const [one, two] of [
      ['', library],
      [module, ''],
      [library, module],
    ] as const) {
      expect(() => joinModules('', one, two)).toThrow(expect.objectContaining({ code: 'version-unsupported' }))
    }
  })
})

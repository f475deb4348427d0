import { createServer, type Server } from 'node:http'
import type { Page } from '@playwright/test'
import { expect, models, origins, test } from './setup.js'

// The built-in tools that run on the page, each called by an agent in a real browser.

/** An agent with a scripted model makes the calls one after the other. `args` are given to the tool's function. */
async function callTool(
  page: Page,
  { name, args = [], inputs, approve = true }: { name: string; args?: unknown[]; inputs: object[]; approve?: boolean },
): Promise<{ outputs: unknown[]; asked: number }> {
  return await page.evaluate(
    async ({ name, args, inputs, approve }) => {
      const { createAgent } = await import('/dist/index.js')
      const { scriptedModel } = await import('/dist/testing.js')
      const entry = (await import(`/dist/tool-${name}.js`)) as Record<string, (...args: unknown[]) => never>
      const make = entry[`${name.replace(/-(\w)/g, (_all, letter) => letter.toUpperCase())}Tool`]
      const made = make?.(...args) as unknown as { name: string }
      const turns = inputs.map((input) => ({ toolCalls: [{ name: made.name, input }] }))
      const run = createAgent({ model: scriptedModel([...turns, 'done']), tools: [made as never] }).stream('Go')
      const outputs: unknown[] = []
      let asked = 0
      for await (const part of run) {
        if (part.type === 'tool-result') outputs.push(part.output)
        if (part.type !== 'approval-request') continue
        asked += 1
        if (approve) run.approve(part.callId)
        else run.deny(part.callId, 'not now')
      }
      return { outputs, asked }
    },
    { name, args, inputs, approve },
  )
}

test.describe('tools of the page', () => {
  test('the calculator and the clock', async ({ blank }) => {
    const inputs = [{ expression: '0.1 + 0.2' }, { expression: 'globalThis' }]
    const calculated = await callTool(blank, { name: 'calculator', inputs })
    expect(calculated.outputs).toEqual([{ result: '0.3' }, expect.stringContaining("'globalthis' is not known")])
    const told = await callTool(blank, {
      name: 'clock',
      args: [{ timeZone: 'Europe/Berlin' }],
      inputs: [{ date: '2026-11-22', add: '3 days', until: '2026-12-24' }, {}],
    })
    expect(told.outputs[0]).toMatchObject({ date: '2026-11-25', weekday: 'Wednesday', until: { days: 29 } })
    expect((told.outputs[1] as { date: string }).date).toMatch(/^\d{4}-\d\d-\d\d$/)
  })

  test('a search gives passages that stand in their document', async ({ blank }) => {
    const result = await blank.evaluate(async () => {
      const { createAgent, createAlcove } = await import('/dist/index.js')
      const { scriptedModel } = await import('/dist/testing.js')
      const { searchTool } = await import('/dist/tool-search.js')
      const alcove = createAlcove({ maxDownloadBytes: 0, allowRemoteModels: false, storage: { name: 'search-tool' } })
      const corpus = await alcove.corpus('boats')
      await corpus.add({ title: 'Boats', text: '# Boats\n\nThe rowing boat was built by Ingrid Larsen in 1931.' })
      const made = searchTool(corpus)
      const calls = ['who built the rowing boat', 'xylophone'].map((query) => ({ name: made.name, input: { query } }))
      const model = scriptedModel([{ toolCalls: calls }, 'done'])
      const { messages } = await createAgent({ model, tools: [made] }).generate('Go')
      const outputs = messages.flatMap(({ content }) =>
        typeof content === 'string'
          ? []
          : content.flatMap((part) => (part.type === 'tool-result' ? [part.output as never] : [])),
      ) as { passages: { documentId: string; span: [number, number]; text: string; title: string }[] }[]
      const [passage] = outputs[0]?.passages ?? []
      const stored = passage && (await corpus.get(passage.documentId))
      await alcove.close()
      return { passage, cut: passage && stored?.text.slice(...passage.span) }
    })
    expect(result.passage).toMatchObject({ number: 1, title: 'Boats', text: expect.stringContaining('Ingrid Larsen') })
    expect(result.cut).toBe(result.passage?.text)
  })

  test('notes outlive the page', async ({ blank }) => {
    const write = { action: 'write', key: 'colour', text: 'green' }
    await callTool(blank, { name: 'notes', args: ['kept-notes'], inputs: [write] })
    await blank.reload()
    const read = await callTool(blank, {
      name: 'notes',
      args: ['kept-notes'],
      inputs: [{ action: 'list' }, { action: 'read', key: 'colour' }],
    })
    expect(read.outputs).toEqual([{ keys: ['colour'] }, { key: 'colour', text: 'green' }])
  })

  test('the page tells its title, selection and main text, and neither its query nor what was typed', async ({
    blank,
  }) => {
    await blank.evaluate(() => {
      history.replaceState(null, '', '?token=secret#part')
      document.title = 'Harbour'
      document.documentElement.lang = 'en'
      const words = 'Boats lie in the harbour. '.repeat(20)
      document.body.innerHTML = `<nav>Menu</nav><main><p id="p">Ships ahoy. ${words}</p><input id="i"></main><div hidden>Hidden</div>`
      const field = document.getElementById('i') as HTMLInputElement
      field.value = 'typed'
      const range = document.createRange()
      range.selectNodeContents(document.getElementById('p') as HTMLElement)
      range.setEnd((document.getElementById('p') as HTMLElement).firstChild as Text, 5)
      getSelection()?.addRange(range)
    })
    const { outputs } = await callTool(blank, { name: 'page-context', inputs: [{}, { text: true }] })
    const url = new URL('/pages/blank.html', origins().home).href
    expect(outputs[0]).toEqual({ title: 'Harbour', url, language: 'en', selection: 'Ships' })
    expect(outputs[1]).toMatchObject({ text: expect.stringContaining('Boats lie') })
    expect(JSON.stringify(outputs[1])).not.toMatch(/Menu|Hidden|typed|secret/)
  })

  test('files are read and, when the user agrees, written in their place or given as a download', async ({ blank }) => {
    const result = await blank.evaluate(async () => {
      const { createAgent } = await import('/dist/index.js')
      const { scriptedModel } = await import('/dist/testing.js')
      const { filesTool } = await import('/dist/tool-files.js')
      const folder = await navigator.storage.getDirectory()
      const handle = await folder.getFileHandle('kept.txt', { create: true })
      const stream = await handle.createWritable()
      await stream.write('before')
      await stream.close()
      const made = filesTool({ files: [handle, new File(['only read'], 'loose.txt')] })
      const inputs = [
        { action: 'list' },
        { action: 'read', name: 'kept.txt' },
        { action: 'write', name: 'kept.txt', text: 'refused' },
        { action: 'write', name: 'kept.txt', text: 'after' },
        { action: 'write', name: 'loose.txt', text: 'copy' },
        { action: 'read', name: 'secret.txt' },
      ]
      const turns = inputs.map((input) => ({ toolCalls: [{ name: made.name, input }] }))
      const run = createAgent({ model: scriptedModel([...turns, 'done']), tools: [made] }).stream('Go')
      const outputs: unknown[] = []
      let asked = 0
      for await (const part of run) {
        if (part.type === 'tool-result') outputs.push(part.output)
        if (part.type !== 'approval-request') continue
        if (++asked === 1) run.deny(part.callId)
        else run.approve(part.callId)
      }
      return { outputs, asked, text: await (await handle.getFile()).text() }
    })
    expect(result.outputs).toEqual([
      {
        files: [
          { name: 'kept.txt', bytes: 6 },
          { name: 'loose.txt', bytes: 9 },
        ],
      },
      { text: 'before' },
      expect.stringMatching(/^Error: the user refused this call/),
      { written: 'kept.txt', bytes: 5 },
      expect.objectContaining({ downloaded: 'loose.txt' }),
      expect.stringContaining("No open file is called 'secret.txt'"),
    ])
    expect(result).toMatchObject({ asked: 3, text: 'after' })
  })

  test('the user opens files with the browser’s own dialogue', async ({ blank }) => {
    await blank.evaluate(async () => {
      const { filesTool } = await import('/dist/tool-files.js')
      const made = filesTool()
      // As in browsers without the File System Access API.
      Object.assign(window, { showOpenFilePicker: undefined })
      const button = document.createElement('button')
      button.onclick = () => Object.assign(window, { opened: made.open() })
      document.body.append(button)
    })
    const choosing = blank.waitForEvent('filechooser')
    await blank.click('button')
    const chooser = await choosing
    await chooser.setFiles([{ name: 'chosen.txt', mimeType: 'text/plain', buffer: Buffer.from('x') }])
    expect(await blank.evaluate(() => (window as unknown as { opened: Promise<string[]> }).opened)).toEqual([
      'chosen.txt',
    ])
  })

  test('pictures and web searches come from the host', async ({ blank }) => {
    const result = await blank.evaluate(async () => {
      const { createAgent } = await import('/dist/index.js')
      const { scriptedModel } = await import('/dist/testing.js')
      const { imageTool } = await import('/dist/tool-image.js')
      const { webSearchTool } = await import('/dist/tool-web-search.js')
      const image = imageTool({
        generate: async ({ prompt }) => {
          const canvas = new OffscreenCanvas(prompt.length, 1)
          canvas.getContext('2d')?.fillRect(0, 0, 1, 1)
          return await canvas.convertToBlob()
        },
      })
      const search = webSearchTool({
        search: async (query) => [{ title: query, url: 'https://a.test/', text: 'found' }],
        needsApproval: false,
      })
      const toolCalls = [
        { name: image.name, input: { prompt: 'four' } },
        { name: search.name, input: { query: 'boats' } },
      ]
      const run = createAgent({ model: scriptedModel([{ toolCalls }, 'done']), tools: [image, search] }).stream('Go')
      const outputs: Record<string, unknown> = {}
      for await (const part of run) if (part.type === 'tool-result') outputs[part.name] = part.output
      const { data, ...picture } = outputs.generate_image as { data: Blob }
      return { picture, width: (await createImageBitmap(data)).width, search: outputs.web_search }
    })
    expect(result).toEqual({
      picture: { type: 'image', mediaType: 'image/png' },
      width: 4,
      search: { results: [{ title: 'boats', url: 'https://a.test/', text: 'found' }] },
    })
  })
})

test.describe('a tool that fetches pages', () => {
  let server: Server
  let site = ''
  const requests: string[] = []

  test.beforeAll(async () => {
    server = createServer((request, response) => {
      const url = request.url ?? ''
      requests.push(`${url} ${request.headers.cookie ?? ''}${request.headers.referer ?? ''}`)
      const open = { 'access-control-allow-origin': '*' }
      if (url === '/away') return void response.writeHead(302, { ...open, location: '/leak' }).end()
      const type = { 'content-type': 'text/html; charset=utf-8' }
      response.writeHead(200, url === '/closed' ? type : { ...type, ...open })
      response.end(`<title>Harbour</title><nav>Menu</nav><main><p>${'Boats lie here. '.repeat(30)}</p></main>`)
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    site = `http://127.0.0.1:${(server.address() as { port: number }).port}`
  })
  test.afterAll(() => {
    server.closeAllConnections()
    server.close()
  })

  test('reads what it may, and says plainly what the browser refuses', async ({ page }) => {
    await page.goto(new URL('/pages/blank.html', origins().elsewhere).href)
    requests.length = 0
    const { outputs, asked } = await callTool(page, {
      name: 'fetch-page',
      args: [{ allow: [site] }],
      inputs: ['/page', '/closed', '/away'].map((path) => ({ url: site + path })).concat({ url: 'https://else.test/' }),
    })
    expect(asked).toBe(4)
    expect(outputs).toEqual([
      { url: `${site}/page`, title: 'Harbour', text: expect.stringMatching(/^Boats lie here\./) },
      expect.stringMatching(/does not allow other sites to read it \(CORS\)/),
      expect.stringMatching(/redirects to another address, which is not followed/),
      expect.stringMatching(/https:\/\/else\.test\/ may not be fetched\. Allowed are: http/),
    ])
    expect(requests).toEqual(['/page ', '/closed ', '/away '])
  })

  test('fetches nothing when the user refuses', async ({ page }) => {
    await page.goto(new URL('/pages/blank.html', origins().elsewhere).href)
    requests.length = 0
    const { outputs } = await callTool(page, {
      name: 'fetch-page',
      args: [{ allow: [site] }],
      inputs: [{ url: `${site}/page` }],
      approve: false,
    })
    expect(outputs).toEqual([expect.stringContaining('the user refused this call')])
    expect(requests).toEqual([])
  })
})

test('a real small model calls the calculator', async ({ blank }) => {
  test.skip(!models.chat, 'needs a small chat model')
  const result = await blank.evaluate(async (model) => {
    const { createAlcove } = await import('/dist/index.js')
    const { calculatorTool } = await import('/dist/tool-calculator.js')
    const alcove = createAlcove({ model, maxDownloadBytes: 200_000_000, storage: { name: 'calculator' }, cache: false })
    const agent = alcove.agent({
      tools: [calculatorTool()],
      toolChoice: { name: 'calculator' },
      maxSteps: 1,
      sampling: { temperature: 0, maxTokens: 200 },
    })
    const outputs: unknown[] = []
    const inputs: unknown[] = []
    const run = agent.stream('What is 17 * 25? Use the calculator.')
    for await (const part of run) {
      if (part.type === 'tool-call') inputs.push(part.input)
      if (part.type === 'tool-result') outputs.push(part.output)
    }
    const { reason } = await run.finish
    await alcove.close()
    return { inputs, outputs, reason }
  }, models.chat as string)
  expect(result.inputs[0]).toEqual({ expression: expect.stringMatching(/17 ?\* ?25/) })
  expect(result.outputs[0]).toEqual({ result: '425' })
})

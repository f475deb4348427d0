// Drives mcp.bench.ts: starts an MCP server of the official SDK on the origin of the page, because the strict policy of the other pages lets no
// other be asked.
import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import { z } from 'zod'

/** One tool that adds. */
function makeServer() {
  const server = new McpServer({ name: 'bench', version: '1.0.0' })
  server.registerTool(
    'add',
    { description: 'Adds.', inputSchema: { a: z.number(), b: z.number() } },
    async ({ a, b }) => ({ content: [{ type: 'text', text: String(a + b) }] }),
  )
  return server
}

/** @param {string} folder of the bundled benchmarks */
async function startServer(folder) {
  /** @type {Map<string, StreamableHTTPServerTransport>} */
  const sessions = new Map()
  const http = createServer(async (request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://localhost')
    if (pathname === '/echo') return void request.pipe(response)
    if (pathname === '/mcp') {
      const known = sessions.get(String(request.headers['mcp-session-id']))
      if (known) return await known.handleRequest(request, response)
      /** @type {StreamableHTTPServerTransport} */
      const transport = new StreamableHTTPServerTransport({
        sessionIdGenerator: randomUUID,
        onsessioninitialized: (id) => void sessions.set(id, transport),
      })
      await makeServer().connect(transport)
      return await transport.handleRequest(request, response)
    }
    const isScript = pathname.startsWith('/bench/') && !pathname.includes('..')
    response.setHeader('content-type', isScript ? 'text/javascript' : 'text/html')
    response.end(
      isScript ? await readFile(join(folder, pathname.slice('/bench/'.length))) : '<!doctype html><title>mcp</title>',
    )
  })
  await new Promise((resolve) => http.listen(0, '127.0.0.1', () => resolve(undefined)))
  const address = http.address()
  if (address === null || typeof address === 'string') throw new Error('expected a port of the server')
  const close = () => {
    http.closeAllConnections()
    return new Promise((resolve) => http.close(resolve))
  }
  return { url: `http://127.0.0.1:${address.port}/`, close }
}

/** @param {{ root: string, context: any, browser: import('@playwright/test').Browser, runInPage: Function }} parts */
export async function run({ root, context, browser, runInPage }) {
  const server = await startServer(join(root, '.alcove', 'bench'))
  try {
    const page = await (await browser.newContext()).newPage()
    await page.goto(server.url)
    return await runInPage(page, 'mcp', { ...context, mcpUrl: `${server.url}mcp` })
  } finally {
    await server.close()
  }
}

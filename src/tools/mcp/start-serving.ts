import type { McpService, ServeMcpOptions } from './serve.js'

/**
 * Offers tools to an MCP client on the other side of a port: the host page, a frame or a worker. Whoever holds the port may call them.
 *
 * @throws AlcoveError `invalid-argument` without a port
 */
export async function serveMcp(options: ServeMcpOptions): Promise<McpService> {
  const { serveTools } = await import('./serve.js')
  return await serveTools(options)
}

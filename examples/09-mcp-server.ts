// Tools of an MCP server. Here the server is in the page, on the other side of a port; `connectMcp({ url })` is for one on the network.
import { type Alcove, tool } from 'alcove'
import { connectMcp, serveMcp } from 'alcove/mcp'

const stock = tool({
  name: 'count_stock',
  description: 'How many of an article are in the store.',
  input: { type: 'object', properties: { article: { type: 'string' } }, required: ['article'] },
  execute: ({ article }) => ({ article, count: 42 }),
})

/** A server that fails stops no other: its state, and why, is in `mcp.servers`. */
export async function* askServer(alcove: Alcove, question = 'How many anchors are in the store?') {
  const { port1, port2 } = new MessageChannel()
  const server = await serveMcp({ port: port1, tools: [stock], name: 'store' })
  const mcp = await connectMcp({ port: port2 })
  try {
    yield* alcove.agent({ tools: mcp.tools }).stream(question)
  } finally {
    await mcp.close()
    await server.close()
  }
}

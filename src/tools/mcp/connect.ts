import { AlcoveError } from '../../protocol/error.js'
import { systemClock } from '../../runtime/clock.js'
import type { Tool } from '../tool.js'
import { createFeatures } from './features.js'
import { ManagedServer } from './managed-server.js'
import type { McpConnection, McpOptions, McpServerOptions } from './options.js'
import type { ServerTool } from './server-tool.js'
import { plainName } from './words.js'

const CLIENT_INFO = { name: 'alcove', version: '0.1.0' }

/**
 * Connects servers of the Model Context Protocol and gives their tools, resources and prompts.
 *
 * With `servers` it resolves when each is ready or has failed; what failed is in `servers`, and is tried again. With one `url` or `port` that
 * server's failure is thrown.
 *
 * @throws AlcoveError `invalid-argument`; of the only server: `network`, `timeout`, `permission-denied` where it asks for a sign-in,
 * `http-status`, `parse-failed`, `too-large`, `version-unsupported`
 */
export async function connectMcp(options: McpOptions): Promise<McpConnection> {
  const given = readServers(options)
  const { clock = systemClock, signal } = options
  let isOpen = false
  let current: { readonly tools: readonly Tool[]; readonly problems: ReadonlyMap<string, readonly AlcoveError[]> }

  const servers = given.map(({ name, server }) => {
    const onChange = () => {
      current = nameTools(servers, options.reservedNames ?? [])
      if (isOpen) options.onChange?.(connection)
    }
    return new ManagedServer({ name, server, shared: options, clock, clientInfo: CLIENT_INFO, onChange })
  })
  current = { tools: [], problems: new Map() }

  const connection: McpConnection = {
    ...createFeatures(servers),
    get tools() {
      return current.tools
    },
    get servers() {
      return servers.map(({ state }) => ({
        ...state,
        problems: [...state.problems, ...(current.problems.get(state.name) ?? [])],
      }))
    },
    async refresh(refreshSignal) {
      await Promise.allSettled(servers.map((server) => server.refresh(refreshSignal)))
    },
    async close() {
      await Promise.allSettled(servers.map((server) => server.close()))
    },
  }

  const settled = await Promise.allSettled(servers.map((server) => server.connect(signal)))
  const [first] = settled
  if (signal?.aborted || (options.servers === undefined && first?.status === 'rejected')) {
    await connection.close()
    const failed = settled.find((one) => one.status === 'rejected')
    if (failed) throw failed.reason
  }
  isOpen = true
  return connection
}

/** The servers with their names, each its own. */
function readServers(options: McpOptions): { readonly name: string; readonly server: McpServerOptions }[] {
  const taken = new Set<string>()
  return (options?.servers ?? [options ?? {}]).map((server) => {
    const { url, port } = server
    if ((url === undefined) === (port === undefined)) {
      throw new AlcoveError('invalid-argument', 'connectMcp: expected url or port of a server, and not both')
    }
    const base = typeof location === 'undefined' ? undefined : location.href
    const address = url === undefined ? undefined : URL.canParse(String(url), base) ? new URL(url, base) : null
    if (address === null || (address && !/^https?:$/.test(address.protocol))) {
      throw new AlcoveError('invalid-argument', `connectMcp: expected an http address as url, got '${url}'`)
    }
    const wanted = plainName(server.name ?? address?.hostname ?? 'page') || 'server'
    let name = wanted
    for (let count = 2; taken.has(name); count++) name = `${wanted}_${count}`
    taken.add(name)
    return { name, server: { ...server, url: address } }
  })
}

/** Tools by names of their own: one that is taken twice gets its server's name before it, for all who have it. */
function nameTools(servers: readonly ManagedServer[], reserved: readonly string[]) {
  const all = servers.flatMap((server) => server.tools.map((tool) => ({ server, tool })))
  const counts = new Map(reserved.map((name) => [name, 1]))
  for (const { tool } of all) counts.set(tool.name, (counts.get(tool.name) ?? 0) + 1)
  const taken = new Set(reserved)
  const tools: Tool[] = []
  const problems = new Map<string, AlcoveError[]>()
  for (const { server, tool } of all) {
    const isTwice = server.hasPrefix || (counts.get(tool.name) ?? 0) > 1
    const name = isTwice ? `${server.name}_${tool.name}` : tool.name
    if (taken.has(name) || name.length > 128 || (isTwice && counts.has(name))) {
      problems.set(server.name, [...(problems.get(server.name) ?? []), nameError(server, tool, name)])
      continue
    }
    taken.add(name)
    tools.push(tool.make(name))
  }
  return { tools, problems }
}

function nameError(server: ManagedServer, { name }: ServerTool, tried: string): AlcoveError {
  return new AlcoveError(
    'invalid-argument',
    `MCP server '${server.name}': tool '${name}' is left out: its name is taken, and so is '${tried.slice(0, 160)}'`,
    { hint: 'Give the server another name with name.', details: { server: server.name, tool: name } },
  )
}

import { AlcoveError } from '../../protocol/error.js'
import type { Message } from '../../protocol/message.js'
import type { McpBlock } from './content.js'
import type { ManagedServer } from './managed-server.js'
import { type Fields, fieldsOf, textOf } from './wire.js'
import { plainWords } from './words.js'

/** Something that a server has to read. */
export interface McpResource {
  readonly server: string
  readonly uri: string
  readonly name: string
  readonly description?: string
  readonly mediaType?: string
  readonly bytes?: number
}

export interface McpResourceTemplate extends Omit<McpResource, 'uri' | 'bytes'> {
  /** RFC 6570. */
  readonly uriTemplate: string
}

/** A message that a server has prepared. */
export interface McpPrompt {
  readonly server: string
  readonly name: string
  readonly description?: string
  readonly arguments: readonly { readonly name: string; readonly description?: string; readonly isRequired: boolean }[]
}

interface OneServer {
  /** Which one, where several may have it. @default the one that listed it */
  readonly server?: string | undefined
  readonly signal?: AbortSignal | undefined
}

export interface McpResources {
  /** Of all servers; one that fails is left out unless all fail. */
  list(options?: { readonly signal?: AbortSignal | undefined }): Promise<McpResource[]>
  templates(options?: { readonly signal?: AbortSignal | undefined }): Promise<McpResourceTemplate[]>
  /** The contents: text with its address, or files. They are a stranger's words. */
  read(uri: string, options?: OneServer): Promise<McpBlock[]>
}

export interface McpPrompts {
  list(options?: { readonly signal?: AbortSignal | undefined }): Promise<McpPrompt[]>
  get(
    name: string,
    values?: Readonly<Record<string, string>>,
    options?: OneServer,
  ): Promise<{ readonly description: string; readonly messages: Message[] }>
}

type Capability = 'resources' | 'prompts'

/** Resources and prompts of several servers. */
export function createFeatures(servers: readonly ManagedServer[]): { resources: McpResources; prompts: McpPrompts } {
  /** Who listed what, by its kind and name. */
  const owners = new Map<string, ManagedServer>()

  async function listAll<T>(
    what: { readonly capability: Capability; readonly method: string; readonly key: string },
    read: (item: Fields, server: string) => T & { readonly id: string },
    signal: AbortSignal | undefined,
  ): Promise<Omit<T, 'id'>[]> {
    const { capability, method, key } = what
    const able = servers.filter((server) => server.has(capability))
    const settled = await Promise.allSettled(
      able.map(async (server) => {
        const items = await server.list(method, key, signal)
        return items.map((item) => {
          const { id, ...made } = read(item, server.name)
          if (!owners.has(`${capability} ${id}`)) owners.set(`${capability} ${id}`, server)
          return made
        })
      }),
    )
    const failed = settled.filter((one) => one.status === 'rejected')
    if (failed.length > 0 && failed.length === settled.length) throw failed[0]?.reason
    return settled.flatMap((one) => (one.status === 'fulfilled' ? one.value : []))
  }

  function find(capability: Capability, id: string, name: string | undefined): ManagedServer {
    const able = servers.filter((server) => server.has(capability))
    const known = name === undefined ? owners.get(`${capability} ${id}`) : able.find((server) => server.name === name)
    const only = name === undefined && able.length === 1 ? able[0] : undefined
    const found = known ?? only
    if (found !== undefined) return found
    throw new AlcoveError('not-found', `connectMcp: no server is known to have '${plainWords(id, 100)}'`, {
      hint: `Name it with { server }, or list the ${capability} first. Servers that have any: ${able.map((server) => server.name).join(', ') || 'none'}.`,
    })
  }

  const resources: McpResources = {
    list: async ({ signal } = {}) =>
      await listAll({ capability: 'resources', method: 'resources/list', key: 'resources' }, readListed, signal),
    templates: async ({ signal } = {}) =>
      await listAll(
        { capability: 'resources', method: 'resources/templates/list', key: 'resourceTemplates' },
        (item, server) => ({ ...labels(item, server), uriTemplate: textOf(item.uriTemplate) ?? '', id: '' }),
        signal,
      ),
    async read(uri, { server: name, signal } = {}) {
      const server = find('resources', uri, name)
      const { contents } = await server.request('resources/read', { uri }, { signal })
      const { readResource } = await import('./content.js')
      const list = Array.isArray(contents) ? contents.slice(0, 200) : []
      return list.map((content) => readResource(fieldsOf(content), server.name))
    },
  }
  const prompts: McpPrompts = {
    list: async ({ signal } = {}) =>
      await listAll({ capability: 'prompts', method: 'prompts/list', key: 'prompts' }, readPrompt, signal),
    async get(id, values = {}, { server: name, signal } = {}) {
      const server = find('prompts', id, name)
      const result = await server.request('prompts/get', { name: id, arguments: values }, { signal })
      const { readMessages } = await import('./content.js')
      return {
        description: plainWords(result.description, 1_000),
        messages: readMessages(result.messages, server.name),
      }
    },
  }
  return { resources, prompts }
}

function labels({ name, title, description, mimeType }: Fields, server: string) {
  const about = plainWords(description, 1_000)
  return {
    server,
    name: plainWords(title ?? name, 200),
    ...(about && { description: about }),
    ...(typeof mimeType === 'string' && { mediaType: plainWords(mimeType, 100) }),
  }
}

function readListed(item: Fields, server: string): McpResource & { readonly id: string } {
  const uri = (textOf(item.uri) ?? '').slice(0, 4_000)
  return { ...labels(item, server), uri, id: uri, ...(typeof item.size === 'number' && { bytes: item.size }) }
}

function readPrompt(item: Fields, server: string): McpPrompt & { readonly id: string } {
  const name = (textOf(item.name) ?? '').slice(0, 500)
  const description = plainWords(item.description, 1_000)
  const given = Array.isArray(item.arguments) ? item.arguments.slice(0, 100).map(fieldsOf) : []
  const values = given.map((one) => ({
    name: (textOf(one.name) ?? '').slice(0, 200),
    description: plainWords(one.description, 500),
    isRequired: one.required === true,
  }))
  return { server, name, id: name, ...(description && { description }), arguments: values }
}

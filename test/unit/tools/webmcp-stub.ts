import type { ModelContext, ModelContextTool, RegisteredTool } from '../../../src/tools/mcp/model-context.js'

/**
 * `document.modelContext` after the draft of August 2026 and what Chromium 156 was seen to do: promises that reject with DOMExceptions, JSON
 * text as result, `toolchange`, an abort that takes a tool back.
 */
export function createModelContext(origin = 'https://page.example') {
  const tools = new Map<string, ModelContextTool>()
  const events = new EventTarget()
  const changed = () => queueMicrotask(() => events.dispatchEvent(new Event('toolchange')))
  const context: ModelContext & Required<Pick<ModelContext, 'getTools' | 'executeTool'>> = {
    addEventListener: events.addEventListener.bind(events),
    removeEventListener: events.removeEventListener.bind(events),
    async registerTool(tool, { signal } = {}) {
      if (tools.has(tool.name)) throw new DOMException('Duplicate tool name', 'InvalidStateError')
      if (!/^[A-Za-z0-9_.-]{1,128}$/.test(tool.name) || tool.description === '') {
        throw new DOMException('Invalid name or description', 'InvalidStateError')
      }
      JSON.stringify(tool.inputSchema)
      signal?.throwIfAborted()
      tools.set(tool.name, tool)
      signal?.addEventListener('abort', () => {
        if (tools.delete(tool.name)) changed()
      })
      changed()
    },
    async getTools() {
      return [...tools.values()].map(
        ({ execute: _, inputSchema, ...tool }): RegisteredTool => ({
          ...tool,
          origin,
          inputSchema: structuredClone(inputSchema ?? {}),
        }),
      )
    },
    async executeTool({ name }, input) {
      const tool = tools.get(name)
      if (tool === undefined) throw new DOMException('The operation failed', 'UnknownError')
      if (typeof input !== 'object') throw new TypeError('value is not an object')
      try {
        return JSON.stringify(await tool.execute(input)) ?? null
      } catch {
        throw new DOMException('Tool was executed but the invocation failed.', 'UnknownError')
      }
    },
  }
  return { context, tools }
}

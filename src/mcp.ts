export { AlcoveError, isAlcoveError } from './protocol/error.js'
export { connectMcp } from './tools/mcp/connect.js'
export type { McpBlock, McpLink } from './tools/mcp/content.js'
export type { McpPrompt, McpPrompts, McpResource, McpResources, McpResourceTemplate } from './tools/mcp/features.js'
export type { McpChallenge, McpHttpOptions } from './tools/mcp/http-fetch.js'
export type {
  McpConnection,
  McpOptions,
  McpServerOptions,
  McpServerState,
  McpServerStatus,
} from './tools/mcp/options.js'
export type { McpProgress } from './tools/mcp/peer.js'
export type { ApproveCall } from './tools/mcp/run-offered.js'
export type { McpService, ServeMcpOptions } from './tools/mcp/serve.js'
export type { McpAnnotations } from './tools/mcp/server-tool.js'
export type { McpAnswers, McpServerInfo } from './tools/mcp/session.js'
export { serveMcp } from './tools/mcp/start-serving.js'

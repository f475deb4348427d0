export type { ModelContext, ModelContextTool, RegisteredTool } from './tools/mcp/model-context.js'
export type { ApproveCall } from './tools/mcp/run-offered.js'
export {
  isWebMcpAvailable,
  type OfferedTools,
  type OfferToolsOptions,
  offerTools,
  type PageTools,
  type PageToolsOptions,
  pageTools,
} from './tools/mcp/web-mcp.js'

// The public names, explicitly. No logic here.

export type { Agent, AgentResult, RunOptions } from './agents/agent.js'
export { createAgent } from './agents/agent.js'
export type { ContextOptions } from './agents/context/context-options.js'
export type {
  AgentInput,
  AgentOptions,
  AnswerObject,
  AnswerSchema,
  ModelResolver,
  PartialObject,
  RetrievalOptions,
  RunLimits,
  StepState,
} from './agents/options.js'
export type { AgentRun } from './agents/run.js'
export type { RunState } from './agents/run-state.js'
export type {
  ClientLoadOptions,
  CorpusOpenOptions,
  Health,
  ModelsApi,
  StorageApi,
  StorageKind,
  StorageUsage,
  WorkerHealth,
} from './client.js'
export type { Alcove, ClientAgentOptions } from './create-alcove.js'
export { createAlcove } from './create-alcove.js'
export type { DownloadRequest } from './engines/choice/consent.js'
export type { DeviceProfile } from './engines/choice/device.js'
export type { LadderReport, Refusal } from './engines/choice/ladder.js'
export type { Availability, ChatTask, ModelListing } from './engines/choice/model-registry.js'
export type { HttpModelOptions, HttpOptions } from './engines/http/options.js'
export type {
  AddOptions,
  AddProgress,
  AddResult,
  AddRun,
  Citation,
  Corpus,
  CorpusOptions,
  CorpusStats,
  DocumentChanges,
  DocumentInput,
  DocumentSummary,
  DocumentWarning,
  FolderFile,
  FolderInput,
  Hit,
  Metadata,
  MetadataValue,
  SearchMode,
  SearchOptions,
  SearchWeights,
  Source,
  Span,
  StoredDocument,
  SyncResult,
  TextDocument,
} from './protocol/corpus.js'
export type { AlcoveErrorCode, AlcoveErrorOptions } from './protocol/error.js'
export { AlcoveError, alcoveErrorCodes, isAlcoveError } from './protocol/error.js'
export type {
  CitationPart,
  MediaPart,
  Message,
  MessagePart,
  ReasoningPart,
  Role,
  TextPart,
  ToolCallPart,
  ToolResultPart,
} from './protocol/message.js'
export type {
  ChatModel,
  ChatModelCapabilities,
  EmbeddingModel,
  EmbeddingPurpose,
  JsonSchema,
  LoadOptions,
  ModelFinishReason,
  ModelPart,
  ModelRequest,
  ModelTask,
  ModelUsage,
  OutputConstraint,
  Sampling,
  ToolChoice,
  ToolDescription,
} from './protocol/model.js'
export type {
  ErrorInfo,
  Finish,
  FinishReason,
  GroundingClaim,
  StatusPart,
  StreamPart,
  Usage,
} from './protocol/stream-part.js'
export type { AlcoveOptions, CacheOptions, StorageOptions } from './settings.js'
export type { ToolSchema } from './tools/schema.js'
export type { Tool, ToolContext, ToolOptions } from './tools/tool.js'
export { fatalToolError, tool } from './tools/tool.js'

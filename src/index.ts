// The public names, explicitly. No logic here.

export type { Agent, AgentResult, AgentToolOptions, RunOptions } from './agents/agent.js'
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
export type { RunState, TeamProgress } from './agents/run-state.js'
export type { RunSession } from './agents/session/run-session.js'
export type {
  RerunOptions,
  Session,
  SessionBranch,
  SessionMessage,
  SessionRunOptions,
  UnfinishedRun,
} from './agents/session/session.js'
export type { SessionChange } from './agents/session/session-changes.js'
export type { SessionHit, SessionSearchOptions, SessionSummary, SessionsApi } from './agents/session/sessions.js'
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
export type { Alcove, ClientAgentOptions, ClientTeamOptions, Teams } from './create-alcove.js'
export { createAlcove } from './create-alcove.js'
export type { DownloadRequest } from './engines/choice/consent.js'
export type { ModelConstraints } from './engines/choice/constraints.js'
export type { DeviceProfile } from './engines/choice/device.js'
export type { Availability, ModelListing } from './engines/choice/listing.js'
export type { DeviceChoice } from './engines/choice/measured-device.js'
export type { ChatTask } from './engines/choice/model-registry.js'
export type { LadderReport, ModelPrediction, Refusal } from './engines/choice/report.js'
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

// The entry `alcove/agents`: agents together, without the client. No logic here.

export type { DialogueOptions } from './agents/team/dialogue.js'
export { createDialogue } from './agents/team/dialogue.js'
export type { DocumentQaOptions } from './agents/team/document-qa.js'
export { createDocumentQa } from './agents/team/document-qa.js'
export type {
  ChatMember,
  ChatState,
  GroupChatOptions,
  HumanMember,
  SelectSpeakers,
} from './agents/team/group-chat.js'
export { createGroupChat } from './agents/team/group-chat.js'
export type { GroupChatCreator, GroupChatCreatorOptions, GroupChatPlan } from './agents/team/group-chat-creator.js'
export { createGroupChatCreator } from './agents/team/group-chat-creator.js'
export type { HandoffOptions } from './agents/team/handoff.js'
export { createHandoff } from './agents/team/handoff.js'
export type { CodeAgentOptions, SupervisorOptions } from './agents/team/prompted.js'
export { createCodeAgent, createReactAgent, createSupervisor } from './agents/team/prompted.js'
export type { Language, PromptName, Prompts } from './agents/team/prompts.js'
export { english as englishPrompts } from './agents/team/prompts-en.js'
export { chinese as chinesePrompts } from './agents/team/prompts-zh.js'
export type { RouterOptions } from './agents/team/router.js'
export { createRouter } from './agents/team/router.js'
export type { MemberOptions, Stage } from './agents/team/stage.js'
export { createTeam } from './agents/team/team.js'
export type { WriterOptions } from './agents/team/writer.js'
export { createWriter } from './agents/team/writer.js'

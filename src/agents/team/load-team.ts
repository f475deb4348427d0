import type { Execute } from '../agent.js'
import type { AgentOptions } from '../options.js'
import type { DialogueOptions } from './dialogue.js'
import type { DocumentQaOptions } from './document-qa.js'
import type { GroupChatOptions } from './group-chat.js'
import type { HandoffOptions } from './handoff.js'
import type { CodeAgentOptions, SupervisorOptions } from './prompted.js'
import type { RouterOptions } from './router.js'
import type { WriterOptions } from './writer.js'

/** The kinds of teams, with their options. */
export interface TeamKinds {
  router: RouterOptions
  'group-chat': GroupChatOptions
  'document-qa': DocumentQaOptions
  handoff: HandoffOptions
  supervisor: SupervisorOptions
  code: CodeAgentOptions
  react: AgentOptions
  writer: WriterOptions
  dialogue: DialogueOptions
}

const LOADERS: { readonly [Kind in keyof TeamKinds]: (options: TeamKinds[Kind]) => Promise<Execute> } = {
  router: async (options) => (await import('./router.js')).executeRouter(options),
  'group-chat': async (options) => (await import('./group-chat.js')).executeGroupChat(options),
  'document-qa': async (options) => (await import('./document-qa.js')).executeDocumentQa(options),
  handoff: async (options) => (await import('./handoff.js')).executeHandoff(options),
  supervisor: async (options) => (await import('./prompted.js')).executeSupervisor(options),
  code: async (options) => (await import('./prompted.js')).executeCode(options),
  react: async (options) => (await import('./prompted.js')).executeReact(options),
  writer: async (options) => (await import('./writer.js')).executeWriter(options),
  dialogue: async (options) => (await import('./dialogue.js')).executeDialogue(options),
}

/** Loads a kind of team. Throws as its `create…` function does. */
export async function loadTeam<Kind extends keyof TeamKinds>(kind: Kind, options: TeamKinds[Kind]): Promise<Execute> {
  return await LOADERS[kind](options)
}

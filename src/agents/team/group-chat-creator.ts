import { AlcoveError } from '../../protocol/error.js'
import { isChinese } from '../../text/terms.js'
import type { Tool } from '../../tools/tool.js'
import { type Agent, type AgentEnvironment, createAgent } from '../agent.js'
import type { AgentOptions } from '../options.js'
import { createGroupChat, type GroupChatOptions } from './group-chat.js'
import { comparable, line, type ModelOptions } from './members.js'
import { type Prompts, prompter } from './prompts.js'

export interface GroupChatCreatorOptions extends ModelOptions {
  /** @default 2 */
  readonly leastMembers?: number | undefined
  /** @default 5 */
  readonly mostMembers?: number | undefined
  /** Tools that every member gets. */
  readonly tools?: readonly Tool[] | undefined
  /** The members' model. @default the one that proposes them */
  readonly memberModel?: AgentOptions['model'] | undefined
  readonly prompts?: Prompts<'creator'> | undefined
}

/** A group chat as data. */
export interface GroupChatPlan {
  readonly background: string
  readonly members: readonly {
    readonly name: string
    readonly description: string
    readonly instructions: string
  }[]
}

export interface GroupChatCreator {
  /**
   * Proposes members for what is described.
   * @throws AlcoveError `output-invalid` when the model proposes too few, or nothing that fits
   */
  propose(description: string, options?: { readonly signal?: AbortSignal | undefined }): Promise<GroupChatPlan>
  /** The group chat of a plan, perhaps one that was changed. Throws as `createGroupChat` does. */
  create(plan: GroupChatPlan, options?: Omit<Partial<GroupChatOptions>, 'agents'>): Agent
}

/** Makes group chats from descriptions: a model proposes the members, held to a schema. */
export function createGroupChatCreator(
  options: GroupChatCreatorOptions,
  environment?: AgentEnvironment,
): GroupChatCreator {
  const { model, sampling, memberModel = model, tools, leastMembers: least = 2, mostMembers: most = 5 } = options
  if (!(least >= 1) || !(most >= least)) {
    throw new AlcoveError('invalid-argument', `groupChatCreator: expected 1 to ${most} members at least, got ${least}`)
  }
  const write = prompter(options.prompts)
  return {
    async propose(description, { signal } = {}) {
      const instructions = write('creator', isChinese(description) ? 'zh' : 'en', { least, most })
      const creator = createAgent({ name: 'creator', model, sampling, instructions }, environment)
      const { object } = await creator.generate(description, { signal, schema: schemaOf(least, most) })
      return checkPlan(object, least, most)
    },
    create: ({ members, background }, chat = {}) =>
      createGroupChat(
        {
          background,
          model,
          sampling,
          ...chat,
          agents: members.map((one) => createAgent({ ...one, model: memberModel, tools }, environment)),
        },
        environment,
      ),
  }
}

function schemaOf(minItems: number, maxItems: number) {
  const text = { type: 'string', minLength: 1 }
  const member = {
    type: 'object',
    properties: { name: text, description: text, instructions: text },
    required: ['name', 'description', 'instructions'],
  }
  return {
    type: 'object',
    properties: { background: { type: 'string' }, members: { type: 'array', items: member, minItems, maxItems } },
    required: ['background', 'members'],
  }
}

/** The plan without members that have another's name. */
function checkPlan(object: unknown, least: number, most: number): GroupChatPlan {
  const { background, members } = object as GroupChatPlan
  const seen = new Set<string>()
  const kept = members.flatMap(({ name, description, instructions }) => {
    const given = line(name, 60)
    if (given === '' || seen.has(comparable(given))) return []
    seen.add(comparable(given))
    return [{ name: given, description, instructions }]
  })
  if (kept.length >= least) return { background, members: kept.slice(0, most) }
  throw new AlcoveError(
    'output-invalid',
    `groupChatCreator: expected ${least} members of different names, got ${kept.length}`,
  )
}

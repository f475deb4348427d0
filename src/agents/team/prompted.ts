import { AlcoveError } from '../../protocol/error.js'
import type { Tool } from '../../tools/tool.js'
import { type Agent, type AgentEnvironment, agentOf, createAgent, type Execute, executeLoop } from '../agent.js'
import type { AgentOptions } from '../options.js'
import { checkMembers } from './members.js'
import { type Language, languageOf, type PromptName, type Prompts, prompter } from './prompts.js'

/** An agent that answers in thoughts, actions and observations (ReAct), whatever the model: `createAgent` with that format for its tools. */
export function createReactAgent(options: AgentOptions, environment?: AgentEnvironment): Agent {
  return createAgent({ name: 'react', ...options, dialect: 'react' }, environment)
}

/** The runs of a ReAct agent. */
export function executeReact(options: AgentOptions): Execute {
  return executeLoop({ ...options, dialect: 'react' })
}

export interface SupervisorOptions extends AgentOptions {
  /** The agents that it gives tasks to, beside its own tools. */
  readonly agents: readonly Agent[]
  readonly prompts?: Prompts<'supervisor'> | undefined
}

/**
 * An agent that gives tasks to other agents, several at once, and answers from what they give.
 *
 * @throws AlcoveError as `createAgent` does; `invalid-argument` for agents without names or with the same
 */
export function createSupervisor(options: SupervisorOptions, environment?: AgentEnvironment): Agent {
  return promptedAgent('supervisor', options, executeSupervisor(options), environment)
}

/** The runs of a supervisor. Throws as `createSupervisor` does. */
export function executeSupervisor({ agents, prompts, tools = [], ...options }: SupervisorOptions): Execute {
  const members = checkMembers('supervisor', agents)
  const all = [...tools, ...members.map((agent) => agent.asTool())]
  return executePrompted('supervisor', { ...options, tools: all }, prompts, {})
}

export interface CodeAgentOptions extends AgentOptions {
  /** What runs code: a tool that takes it as its input, in a sandbox. */
  readonly tool: Tool
  readonly prompts?: Prompts<'code'> | undefined
}

/**
 * An agent that solves tasks by writing code, which a tool runs.
 *
 * @throws AlcoveError as `createAgent` does; `invalid-argument` without such a tool
 */
export function createCodeAgent(options: CodeAgentOptions, environment?: AgentEnvironment): Agent {
  return promptedAgent('code', options, executeCode(options), environment)
}

/** The runs of a code agent. Throws as `createCodeAgent` does. */
export function executeCode({ tool, prompts, tools = [], ...options }: CodeAgentOptions): Execute {
  if (typeof tool?.execute !== 'function') {
    throw new AlcoveError('invalid-argument', 'codeAgent: expected a tool that runs code', {
      hint: 'Give one that runs it in a sandbox, for example javascriptTool().',
    })
  }
  return executePrompted('code', { ...options, tools: [tool, ...tools] }, prompts, { tool: tool.name })
}

function promptedAgent(kind: string, options: AgentOptions, execute: Execute, environment?: AgentEnvironment): Agent {
  const { name = kind, instructions, description = instructions } = options
  return agentOf({ name, description }, execute, environment)
}

/** An agent whose instructions begin with a prompt in the language of the question. */
function executePrompted<Name extends PromptName>(
  name: Name,
  options: AgentOptions,
  prompts: Prompts<Name> | undefined,
  values: Readonly<Record<string, string>>,
): Execute {
  const write = prompter(prompts)
  const create = (language: Language) => {
    const prompt = write(name, language, values)
    return executeLoop({
      ...options,
      instructions: options.instructions ? `${prompt}\n\n${options.instructions}` : prompt,
    })
  }
  // Made at once: what is wrong with the options shows now.
  const runs: Partial<Record<Language, Execute>> = { en: create('en') }
  return (job) => {
    const language = languageOf(job)
    runs[language] ??= create(language)
    return runs[language](job)
  }
}

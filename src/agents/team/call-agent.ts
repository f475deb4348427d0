import { AlcoveError } from '../../protocol/error.js'
import type { ToolContext } from '../../tools/tool.js'
import type { Agent } from '../agent.js'
import { followRun } from './follow.js'

/**
 * A call of an agent that is a tool: its parts go to the reader of the run that called it, its answer to the model.
 *
 * @throws AlcoveError what the agent failed with; `tool-failed` when it had to pause or said nothing
 */
export async function callAgent(agent: Agent, task: string, { signal, callId, host }: ToolContext): Promise<unknown> {
  if (host === undefined) return (await agent.generate(task, { signal })).text
  const { agentPath, queueAs, emit, ready, askApproval } = host
  const outer = {
    name: agentPath.at(-1) ?? 'agent',
    emit,
    ready,
    askApproval,
    // Calls of several agents come out of one run.
    callId: (id: string) => `${callId}/${id}`,
  }
  const run = agent.stream(task, { signal, agentPath, ...queueAs })
  const { text, usage, finish } = await followRun(run, outer, { name: agent.name, isAnswer: false })
  if (usage) host.addUsage(usage)
  if (finish.reason === 'paused') {
    throw new AlcoveError('tool-failed', `'${agent.name}' waits for a person, and cannot as a tool`)
  }
  if (text.trim() === '') throw new AlcoveError('tool-failed', `'${agent.name}' gave no answer (${finish.reason})`)
  return text
}

import type { FinishReason } from '../../protocol/stream-part.js'
import { type Agent, type AgentEnvironment, agentOf } from '../agent.js'
import type { TeamOptions } from './members.js'
import { perform, type Stage } from './stage.js'

/**
 * A team of one's own kind: an agent made of a function that runs its members.
 *
 * @param play does one run and gives the reason why it ended. After a pause it is run again from its beginning: what members said is then given
 * at once, so it must do the same when it is given the same
 */
export function createTeam(
  { name = 'team', description }: TeamOptions,
  play: (stage: Stage) => Promise<FinishReason>,
  environment?: AgentEnvironment,
): Agent {
  return agentOf({ name, description }, (job) => perform(name, job, play), environment)
}

import type { Corpus } from '../../protocol/corpus.js'
import { AlcoveError } from '../../protocol/error.js'
import type { FinishReason } from '../../protocol/stream-part.js'
import { memoryTools } from '../../tools/builtin/memory.js'
import type { Tool } from '../../tools/tool.js'
import type { RunControl } from '../run.js'
import type { AttachedRun, RunSession, RunStart } from './run-session.js'

/** A run that belongs to a session, has long-term memory, or both. */
export interface KeptRun extends Omit<AttachedRun, 'execute'> {
  readonly session: RunSession | undefined
  readonly memory: Corpus | undefined
  readonly execute: (start: RunStart, control: RunControl, more: readonly Tool[]) => Promise<FinishReason>
}

/** Executes such a run. @throws AlcoveError `invalid-argument` for what is no session */
export async function beginRun({ session, memory, ...run }: KeptRun): Promise<FinishReason> {
  const more = memory ? memoryTools(memory) : []
  const execute = (start: RunStart, control: RunControl) => run.execute(start, control, more)
  if (session === undefined) return await execute(run.given, run.control)
  if (typeof session?.attach === 'function') return await session.attach({ ...run, execute })
  throw new AlcoveError(
    'invalid-argument',
    `session: expected a session, got ${session === null ? 'null' : typeof session}`,
    {
      hint: 'Open it first: await alcove.sessions.open(id).',
    },
  )
}

// What consumers may and must not do with sessions. Nothing here runs; see parts.ts.

import { type AgentRun, createAgent, createAlcove, type Message, type Session } from 'alcove'
import { scriptedModel } from 'alcove/testing'
import { memoryTools } from 'alcove/tools/memory'

export async function sessions(): Promise<void> {
  const alcove = createAlcove()
  const session = await alcove.sessions.create({ title: 'Trip' })
  session satisfies Session
  const agent = createAgent({ model: scriptedModel([]), memory: await alcove.corpus('memory') })
  agent.stream('Hello', { session })
  await agent.generate('Hello', { session: undefined })
  session.resume(agent, { signal: new AbortController().signal }) satisfies AgentRun<undefined>
  session.rerun(agent, { from: 'id' })
  const messages = await session.messages()
  messages satisfies readonly Message[]
  messages[0]?.id satisfies string | undefined
  alcove.agent({ tools: memoryTools(await alcove.corpus('memory'), { needsApproval: true }) })
  // @ts-expect-error an id is no session: open it first
  agent.stream('Hello', { session: 'id' })
  // @ts-expect-error a run of a session has that session
  session.resume(agent, { session })
  // @ts-expect-error the title is not to be set
  session.title = 'x'
  // @ts-expect-error a title is an option
  await alcove.sessions.create('Trip')
}

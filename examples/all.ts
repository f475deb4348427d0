// The list of the examples, for the demo's page and the tests.
import type { Alcove } from 'alcove'
import { askWeather } from './01-weather-tool.js'
import { compareFerries } from './02-parallel-tools.js'
import { askDocuments } from './03-retrieval-with-citations.js'
import { readBooking } from './04-structured-answer.js'
import { askTheRightOne } from './05-router.js'
import { planTogether } from './06-group-chat.js'
import { sendWithApproval } from './07-approval.js'
import { computeByCode } from './08-code-sandbox.js'
import { askServer } from './09-mcp-server.js'
import { readWholeLog } from './10-document-qa.js'
import { talkAcrossReloads } from './11-session-across-a-reload.js'
import { askThroughAnother } from './12-agents-as-tools.js'
import { rememberAndRecall } from './13-memory.js'

/** Shows a call to a person, and gives whether it may be made. */
export type AskPerson = (call: { readonly name: string; readonly input: unknown }) => Promise<boolean>

export interface Example {
  /** Its file's name. */
  readonly id: string
  readonly title: string
  /** Answers well by quotes alone, where no model is loaded. */
  readonly quotes?: true
  /** Runs it with its own question: gives the parts of the run, and what else there is to show. */
  run(alcove: Alcove, ask: AskPerson): AsyncIterable<unknown>
}

export const examples: readonly Example[] = [
  { id: '01-weather-tool', title: 'A tool', run: (alcove) => askWeather(alcove) },
  { id: '02-parallel-tools', title: 'Tools side by side', run: (alcove) => compareFerries(alcove) },
  {
    id: '03-retrieval-with-citations',
    title: 'Documents and citations',
    quotes: true,
    run: (alcove) => askDocuments(alcove),
  },
  { id: '04-structured-answer', title: 'An answer in a form', run: (alcove) => readBooking(alcove) },
  { id: '05-router', title: 'A router', run: (alcove) => askTheRightOne(alcove) },
  { id: '06-group-chat', title: 'A group chat', run: (alcove) => planTogether(alcove) },
  { id: '07-approval', title: 'A person agrees first', run: (alcove, ask) => sendWithApproval(alcove, ask) },
  { id: '08-code-sandbox', title: 'Code in a sandbox', run: (alcove) => computeByCode(alcove) },
  { id: '09-mcp-server', title: 'An MCP server', run: (alcove) => askServer(alcove) },
  { id: '10-document-qa', title: 'A question over 120 pages', run: (alcove) => readWholeLog(alcove) },
  { id: '11-session-across-a-reload', title: 'A session across a reload', run: (alcove) => talkAcrossReloads(alcove) },
  { id: '12-agents-as-tools', title: 'An agent as a tool of another', run: (alcove) => askThroughAnother(alcove) },
  { id: '13-memory', title: 'Memory', run: (alcove) => rememberAndRecall(alcove) },
]

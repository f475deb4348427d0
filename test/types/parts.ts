// What consumers may and must not do with parts and messages. Nothing here runs: the compiler reads it, and each line that must not
// compile stands under a directive that fails when it does.

import type { AgentRun, Citation, Finish, Hit, Message, StreamPart, Usage } from 'alcove'

declare const part: StreamPart
declare const run: AgentRun
declare const message: Message
declare const hit: Hit

/** Takes values of exactly this type. */
type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
declare function holds<_ extends true>(): void

export function narrowParts(): void {
  switch (part.type) {
    case 'text-delta':
      holds<Equal<typeof part.text, string>>()
      holds<Equal<typeof part.role, 'draft' | undefined>>()
      // @ts-expect-error a delta has no call
      part.callId
      break
    case 'tool-result':
      holds<Equal<typeof part.output, unknown>>()
      holds<Equal<typeof part.isError, boolean>>()
      // @ts-expect-error what a tool gave is not known
      part.output.length
      break
    case 'citation':
      holds<Equal<typeof part.quote, string>>()
      ;({ ...part }) satisfies Citation
      break
    case 'usage':
      holds<Equal<typeof part.usage, Usage>>()
      break
    case 'finish':
      holds<Equal<typeof part.finish, Finish>>()
      break
    case 'grounding':
      holds<Equal<(typeof part.claims)[number]['supported'], boolean>>()
      break
  }
  // @ts-expect-error not every part has text
  part.text
  // @ts-expect-error there is no such part
  if (part.type === 'text') return
}

/** Every part is known: a reader can handle all of them, and is told when there is a new one. */
export function nameOf({ type }: StreamPart): string {
  switch (type) {
    case 'step-start':
    case 'step-end':
    case 'reasoning-delta':
    case 'text-delta':
    case 'tool-input-delta':
    case 'tool-call':
    case 'tool-progress':
    case 'tool-result':
    case 'approval-request':
    case 'citation':
    case 'grounding':
    case 'status':
    case 'context-trimmed':
    case 'usage':
    case 'handoff':
    case 'finish':
    case 'error':
      return type
    default:
      return type satisfies never
  }
}

export async function readRuns(): Promise<void> {
  for await (const item of run) holds<Equal<typeof item, StreamPart>>()
  holds<Equal<Awaited<typeof run.text>, string>>()
  holds<Equal<Awaited<typeof run.finish>, Finish>>()
  run satisfies ReadableStream<StreamPart>
  // @ts-expect-error the text is a promise
  run.text.length
  // @ts-expect-error a run is not set from outside
  run.text = Promise.resolve('')
}

export function keepInputs(): void {
  // @ts-expect-error messages are never changed
  message.content = 'other'
  // @ts-expect-error nor are their parts
  if (typeof message.content !== 'string') message.content.push({ type: 'text', text: '' })
  // @ts-expect-error nor are hits
  hit.source.headings.push('')
  // @ts-expect-error nor their spans
  hit.span[0] = 1
  // @ts-expect-error nor metadata
  if (hit.source.metadata) hit.source.metadata.kind = 1
}

export const messages: readonly Message[] = [
  { role: 'user', content: 'Hello' },
  { role: 'assistant', content: [{ type: 'tool-call', callId: '1', name: 'look', input: {} }] },
  { role: 'tool', content: [{ type: 'tool-result', callId: '1', name: 'look', output: { any: 'thing' } }] },
  // @ts-expect-error no such role
  { role: 'robot', content: 'Hello' },
  // @ts-expect-error a call needs an id
  { role: 'assistant', content: [{ type: 'tool-call', name: 'look', input: {} }] },
  // @ts-expect-error content is text or parts
  { role: 'user', content: 5 },
]

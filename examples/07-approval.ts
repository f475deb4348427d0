// A person agrees to what a tool does before it is done. Until then the run waits; `run.state` would outlast a reload.
import { type Alcove, tool } from 'alcove'

const sent: string[] = []

const sendMail = tool({
  name: 'send_mail',
  description: 'Sends a mail.',
  input: {
    type: 'object',
    properties: { to: { type: 'string' }, text: { type: 'string' } },
    required: ['to', 'text'],
  },
  needsApproval: true,
  execute: ({ to }) => `Sent; ${sent.push(String(to))} in all.`,
})

/** `ask` shows the call to a person, and gives whether it may be made. */
export async function* sendWithApproval(
  alcove: Alcove,
  ask: (call: { readonly name: string; readonly input: unknown }) => Promise<boolean>,
  request = 'Tell Ola that the boat is ready.',
) {
  const run = alcove.agent({ tools: [sendMail] }).stream(request)
  for await (const part of run) {
    yield part
    if (part.type !== 'approval-request') continue
    if (await ask(part)) run.approve(part.callId)
    else run.deny(part.callId, 'The person does not want this to be sent.')
  }
}

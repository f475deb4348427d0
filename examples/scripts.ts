// What the scripted model says in each example, so that all of them run without a model: in the tests, and on the demo's page.
import type { ModelRequest } from 'alcove'
import type { ScriptedTurnSource } from 'alcove/testing'

const call = (name: string, input: unknown) => ({ toolCalls: [{ name, input }] })

/** The outputs of the tools that the model was given since the last question, in order. */
function outputsOf(request: ModelRequest): Record<string, unknown>[] {
  const asked = request.messages.findLastIndex(({ role }) => role === 'user')
  return request.messages.slice(asked).flatMap(({ content }) => {
    if (typeof content === 'string') return []
    return content.flatMap((part) => (part.type === 'tool-result' ? [readOutput(part.output)] : []))
  })
}

function readOutput(output: unknown): Record<string, unknown> {
  if (typeof output !== 'string') return output as Record<string, unknown>
  try {
    return JSON.parse(output)
  } catch {
    return { text: output }
  }
}

const textOf = ({ messages }: ModelRequest): string => JSON.stringify(messages)

/** Reads one part of the log as a model would: relevant is what has the word. */
function readPart(request: ModelRequest): string {
  const told = request.messages.map(({ content }) => (typeof content === 'string' ? content : '')).join('\n')
  const part = /<part>([\s\S]*)<\/part>/.exec(told)?.[1]
  if (part === undefined) return 'Ingrid Larsen mended it off Runde [1].'
  const quote = /[^.\n]*\bmast\b[^.\n]*\./.exec(part)?.[0].trim() ?? ''
  return JSON.stringify({ relevant: quote !== '', answer: quote, quote })
}

const PRIMES = `const primes = []
for (let n = 2; primes.length < 100; n++) if (primes.every((prime) => n % prime)) primes.push(n)
primes.reduce((sum, prime) => sum + prime)`

/** The turns of each example, by its file. A turn that has to know what was found looks into the request. */
export const scripts: Readonly<Record<string, readonly ScriptedTurnSource[]>> = {
  '01-weather-tool': [
    call('get_weather', { city: 'Lisbon' }),
    (request) => `It is ${outputsOf(request)[0]?.weather} in Lisbon.`,
  ],
  '02-parallel-tools': [
    { toolCalls: ['Vestnes', 'Kristiansund', 'Molde'].map((harbour) => ({ name: 'next_ferry', input: { harbour } })) },
    (request) => {
      const [first] = outputsOf(request).sort((a, b) => String(a.leaves).localeCompare(String(b.leaves)))
      return `From ${first?.harbour}, at ${first?.leaves}.`
    },
  ],
  '03-retrieval-with-citations': [
    (request) =>
      textOf(request).includes('nine in the morning') ? 'It opens at nine in the morning [1].' : 'I do not know.',
  ],
  '04-structured-answer': ['{"name": "Ingrid", "people": 4, "day": "Friday", "window": true}'],
  '05-router': [
    '{"agent": "mechanic", "why": "an engine that makes a noise"}',
    'Look at the impeller first, and then at the belt.',
  ],
  '06-group-chat': [
    'To Runde! The puffins are there.',
    'With wind of force 7 in the afternoon? Grip is closer.',
    'Grip it is, and home before the wind.',
    'Home by two. [AGREED]',
  ],
  '07-approval': [
    call('send_mail', { to: 'Ola', text: 'The boat is ready.' }),
    (request) => (textOf(request).includes('Sent; ') ? 'Ola knows now.' : 'I have not sent anything.'),
  ],
  '08-code-sandbox': [
    call('run_javascript', { code: PRIMES.replace('100', 'count') }),
    call('run_javascript', { code: PRIMES }),
    (request) => `The sum is ${outputsOf(request).at(-1)?.result}.`,
  ],
  '09-mcp-server': [
    call('count_stock', { article: 'anchors' }),
    (request) => `There are ${outputsOf(request)[0]?.count} anchors.`,
  ],
  '10-document-qa': Array(400).fill(readPart),
  '11-session-across-a-reload': [
    (request) =>
      textOf(request).includes('What is my boat called?') && textOf(request).includes('Marigold')
        ? 'Marigold, you told me.'
        : 'A good name! Reload the page now, or in the middle of this sentence, and I still know her name.',
  ],
  '12-agents-as-tools': [
    call('accountant', { task: 'What is 17 times 12.35?' }),
    call('calculator', { expression: '17 * 12.35' }),
    (request) => `It is ${outputsOf(request)[0]?.result}.`,
    (request) => `They cost ${/[\d.]*\d/.exec(String(outputsOf(request)[0]?.text))?.[0]} euros.`,
  ],
  '13-memory': [
    call('remember', { fact: 'The boat of the user is called Marigold.' }),
    'I will remember that.',
    call('recall', { query: 'name of the boat' }),
    (request) => (textOf(request).includes('called Marigold') ? 'Marigold.' : 'I do not know.'),
  ],
}

import { createAgent } from '../src/agents/agent.js'
import { scriptedModel } from '../src/engines/scripted.js'
import type { Message } from '../src/protocol/message.js'
import type { ChatModel, ModelRequest } from '../src/protocol/model.js'
import { tool } from '../src/tools/tool.js'
import { below, createRandom, type Random } from './lib/random.js'
import { type BenchContext, measureOf, type Report } from './lib/result.js'
import { takeTurns, timeOf } from './lib/rounds.js'
import { summarize } from './lib/statistics.js'

export const what =
  'A chat of 400 messages and about 165,000 tokens: making it fit a context of 32,768, and going on in one that fits.'

const contextTokens = 32_768
/** Tokens that the agent keeps for the answer. */
const reserveTokens = 1_024
const words =
  'the library keeps its handbook in a drawer behind the desk and every reader may renew a book twice'.split(' ')
/** Splits text as byte-level tokenizers do before they merge bytes (GPT-2's pattern); a piece is about a token. */
const PIECE = /'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+/gu

function createChat(random: Random, count: number): Message[] {
  const text = () =>
    Array.from({ length: 300 + below(random, 225) }, () => words[below(random, words.length)]).join(' ')
  const messages = Array.from({ length: count - 1 }, (_, at): Message => {
    return { role: at % 2 === 0 ? 'user' : 'assistant', content: text() }
  })
  return [...messages, { role: 'user', content: 'How often may a book be renewed?' }]
}

/** Does the work of a tokenizer on the page, and writes down how much. */
function createMeter() {
  const meter = { calls: 0, tokens: 0, count }
  function count({ messages }: ModelRequest): number {
    let tokens = 0
    for (const { content } of messages) {
      const text = typeof content === 'string' ? content : JSON.stringify(content)
      tokens += 5 + (text.match(PIECE)?.length ?? 0)
    }
    meter.calls++
    meter.tokens += tokens
    return tokens
  }
  return meter
}

type Meter = ReturnType<typeof createMeter>

function createModel(meter: Meter, steps: number, tokens: number): ChatModel & { readonly requests: ModelRequest[] } {
  const calls = Array.from({ length: steps }, (_, n) => ({ toolCalls: [{ name: 'shelf', input: { n } }] }))
  const inner = scriptedModel([...calls, 'Twice.'], { contextTokens: tokens, countTokens: () => 0 })
  return { ...inner, countTokens: async (request) => meter.count(request) }
}

/** What is compared with: the oldest turn goes, and all is counted again, until it fits. */
function dropAndCount(chat: readonly Message[], meter: Meter): number {
  for (let from = 0; ; from += 2) {
    if (meter.count({ messages: chat.slice(from) }) <= (contextTokens - reserveTokens) * 0.6) return from
  }
}

/** Milliseconds until the model has its request, and its answer. */
async function trimOnce(given: readonly Message[], meter: Meter): Promise<number> {
  const model = createModel(meter, 0, contextTokens)
  const agent = createAgent({ model })
  // Messages that nobody has looked at before.
  const chat = structuredClone(given)
  const elapsedMs = await timeOf(() => agent.generate(chat))
  const [request] = model.requests
  if (request === undefined) throw new Error('expected a request')
  const tokens = createMeter().count(request)
  if (tokens > contextTokens - reserveTokens) throw new Error(`over the budget: ${tokens} tokens`)
  if (tokens < contextTokens * 0.5) throw new Error(`cut too much: ${tokens} tokens left`)
  return elapsedMs
}

/** Runs the benchmark in this page. */
export async function run({ quick }: BenchContext): Promise<Report> {
  const count = quick ? 100 : 400
  const rounds = quick ? 3 : 15
  const random = createRandom(5)
  const chats = Array.from({ length: rounds + 1 }, () => createChat(random, count))
  const chatOf = (round: number) => chats[(round + chats.length) % chats.length] as Message[]
  const [whole, trimming, dropping] = [createMeter(), createMeter(), createMeter()]
  const { trim, drop, one } = await takeTurns(
    {
      trim: (round) => trimOnce(chatOf(round), trimming),
      drop: (round) => timeOf(() => dropAndCount(chatOf(round), dropping)),
      one: (round) => timeOf(() => whole.count({ messages: chatOf(round) })),
    },
    { rounds },
  )
  const steps = 20
  const growing = createMeter()
  const shelf = tool({ name: 'shelf', description: 'Looks at a shelf.', execute: ({ n }) => `Shelf ${n} is full.` })
  const model = createModel(growing, steps, 400_000)
  await createAgent({ model, tools: [shelf], maxSteps: steps + 1 }).generate(chatOf(0))
  if (model.requests.length !== steps + 1) throw new Error(`expected ${steps + 1} steps, got ${model.requests.length}`)
  const each = whole.tokens / whole.calls
  return {
    figures: [
      {
        what: `Making ${count} messages fit: run and counting together`,
        unit: 'ms',
        ...measureOf(summarize(trim)),
        baselines: [
          { what: 'dropping a turn and counting all again, until it fits', ...measureOf(summarize(drop)) },
          { what: 'counting the whole chat once', ...measureOf(summarize(one)) },
        ],
        goal: { on: 'ratio', most: 0.1 },
      },
      {
        what: 'Counts of a request to make it fit',
        unit: '',
        value: trimming.calls / (rounds + 1),
        baselines: [{ what: 'dropping a turn and counting all again', value: dropping.calls / (rounds + 1) }],
        goal: { on: 'value', most: 5 },
      },
      {
        what: 'Tokens counted to make it fit, for each token of the chat',
        unit: '×',
        value: trimming.tokens / whole.tokens,
        baselines: [{ what: 'dropping a turn and counting all again', value: dropping.tokens / whole.tokens }],
        goal: { on: 'value', most: 1 },
      },
      {
        what: `Tokens counted in ${steps + 1} steps of a chat that fits, for each of its tokens`,
        unit: '×',
        value: growing.tokens / each,
        baselines: [{ what: 'counting the request of each step', value: steps + 1 }],
        goal: { on: 'value', most: 2 },
      },
    ],
    notes: [
      `${Math.round(each).toLocaleString('en')} tokens a chat; a stand-in for a tokenizer runs on the page: the split of GPT-2, without its merges.`,
      'Each trimmed request is counted again outside of the times, and must be within the budget.',
    ],
  }
}

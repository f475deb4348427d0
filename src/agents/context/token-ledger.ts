import type { ChatModel, ModelRequest } from '../../protocol/model.js'
import { commonStart } from '../same-message.js'
import { requestCost } from './message-cost.js'
import { mostMessageTokens, mostTokens } from './token-bound.js'

/**
 * What is known of the sizes of one model's requests. A conversation is counted whole once; as it grows, what was added can be bounded without
 * asking the tokenizer, and it is counted again only where the bound does not show that it fits.
 */
export interface TokenLedger {
  /** Tokens of a request that may come to nothing, by the model. */
  count(request: ModelRequest): Promise<number>
  /** What was counted is what is sent: later requests are compared with it. */
  remember(request: ModelRequest, tokens: number): void
  /** Tokens of a request: exact, or an upper bound that is within the budget. */
  measure(request: ModelRequest, budget: number): Promise<number>
  /** Tokens for each unit of `requestCost`, as last counted. */
  readonly tokensPerCost: number
  /** The engine reads this request now. */
  noteSent(request: ModelRequest): void
  /** How many of a request's messages the engine has read last, so that it need not read them again. */
  messagesRead(request: ModelRequest): number
}

/** A request that was counted. */
interface Counted {
  readonly request: ModelRequest
  readonly tokens: number
}

/** Conversations that take turns on one model: a group's members, or pages of a chat. */
const MAX_COUNTED = 4
/** A model that counts more than this share of the bytes has no tokenizer in the usual sense: no bound holds for it. */
const MAX_TOKENS_PER_BOUND = 0.8

const ledgers = new WeakMap<ChatModel, TokenLedger>()

/** The ledger of a model, shared by all runs that use it. */
export function ledgerOf(model: ChatModel): TokenLedger {
  const ledger = ledgers.get(model) ?? createLedger(model)
  ledgers.set(model, ledger)
  return ledger
}

function createLedger(model: ChatModel): TokenLedger {
  const counted: Counted[] = []
  let sent: ModelRequest | undefined
  let tokensPerCost = 1

  function upperBound(request: ModelRequest): number {
    let least = Number.POSITIVE_INFINITY
    for (const one of counted) {
      if (!isSameFrame(one.request, request)) continue
      const from = commonStart(one.request.messages, request.messages)
      const added = request.messages.slice(from).reduce((sum, message) => sum + mostMessageTokens(message), 0)
      least = Math.min(least, one.tokens + added)
    }
    return least
  }

  function remember(request: ModelRequest, tokens: number): void {
    if (tokens > MAX_TOKENS_PER_BOUND * mostTokens(request)) return
    // A longer form of the same conversation takes the place of a shorter one.
    const before = counted.findIndex((one) => {
      const common = commonStart(one.request.messages, request.messages)
      return common >= one.request.messages.length - 1 || common === request.messages.length
    })
    if (before >= 0) counted.splice(before, 1)
    counted.unshift({ request, tokens })
    counted.length = Math.min(counted.length, MAX_COUNTED)
  }

  async function count(request: ModelRequest): Promise<number> {
    const tokens = await model.countTokens(request)
    tokensPerCost = tokens / Math.max(1, requestCost(request))
    return tokens
  }

  return {
    count,
    remember,
    async measure(request, budget) {
      const bound = upperBound(request)
      if (bound <= budget) return bound
      const tokens = await count(request)
      if (tokens <= budget) remember(request, tokens)
      return tokens
    },
    get tokensPerCost() {
      return tokensPerCost
    },
    noteSent(request) {
      sent = request
    },
    messagesRead(request) {
      if (sent === undefined || !model.capabilities.prefixReuse || !isSameFrame(sent, request)) return 0
      return commonStart(sent.messages, request.messages)
    },
  }
}

/** Whether two requests differ in nothing but their messages, as far as a template shows it. */
function isSameFrame(first: ModelRequest, second: ModelRequest): boolean {
  const { tools: one = [], toolChoice: choice } = first
  const { tools: other = [], toolChoice: otherChoice } = second
  const isSame = (value: unknown, another: unknown) =>
    value === another || JSON.stringify(value) === JSON.stringify(another)
  return (
    isSame(choice, otherChoice) &&
    one.length === other.length &&
    one.every((tool, at) => tool.name === other[at]?.name && isSame(tool.inputSchema, other[at]?.inputSchema))
  )
}

import type { Agent, ErrorInfo, StatusPart, StreamPart } from 'alcove'
import type { Announcer } from './announce.js'
import { element, scrollWithin, setText } from './dom.js'
import { formatProgress } from './format.js'
import type { State } from './state.js'
import { texts } from './texts.js'
import { answerOf, applyPart, createTurn, type Turn, textOf, toMarkdown, toMessages } from './turn.js'
import { createTurnView, type TurnActions, type TurnView } from './turn-view.js'

export interface ConversationOptions {
  readonly state: State
  readonly announcer: Announcer
  /** The agent, once the client is open and what is being added is there. */
  readonly agent: (signal: AbortSignal) => Promise<Agent>
  readonly modelId: () => string
  readonly isQuoting: (modelId: string) => boolean
  readonly nameModel: TurnActions['nameModel']
  readonly openSource: TurnActions['openSource']
  readonly chooseModel: TurnActions['chooseModel']
  /** The person wants to change a question and run it again. */
  readonly edit: (turn: Turn) => void
  /** Whether an answer is being written, and whether there is any turn. */
  readonly onChange: (state: { readonly running: boolean; readonly empty: boolean }) => void
}

export interface Conversation {
  readonly root: HTMLElement
  /** Asks a question; with `replacing`, that turn and all after it give way. */
  ask(question: string, replacing?: string): void
  /** Stops the answer. True when there was one. */
  stop(): boolean
  clear(): void
  lastQuestion(): Turn | undefined
  turns(): readonly Turn[]
  /** Shows which citation is open, by its place in the turn's list. */
  markOpen(turnId: string | undefined, place?: number): void
  /** Saves the conversation as a Markdown file. */
  exportFile(): void
}

interface Entry {
  turn: Turn
  readonly view: TurnView
}

export function createConversation(options: ConversationOptions): Conversation {
  const root = element('div', { class: 'turns', role: 'group', 'aria-label': texts.answer.conversation })
  const entries: Entry[] = []
  let running: AbortController | undefined

  const actions: TurnActions = {
    openSource: options.openSource,
    chooseModel: options.chooseModel,
    nameModel: options.nameModel,
    edit: options.edit,
    again: (turn) => ask(turn.question, turn.id),
    copy: (turn, opener) => void copyAnswer(turn, opener, options.announcer),
  }

  function add(turn: Turn): Entry {
    const entry = { turn, view: createTurnView(turn, actions) }
    entries.push(entry)
    root.append(entry.view.root)
    entry.view.show(turn)
    return entry
  }

  function changed(): void {
    options.state.set({ turns: entries.map((entry) => entry.turn) })
    options.onChange({ running: running !== undefined, empty: entries.length === 0 })
  }

  function removeFrom(turnId: string): void {
    const index = entries.findIndex((entry) => entry.turn.id === turnId)
    if (index === -1) return
    for (const { view } of entries.splice(index)) view.root.remove()
  }

  function ask(question: string, replacing?: string): void {
    if (running) return
    if (replacing !== undefined) removeFrom(replacing)
    const earlier = entries.map((entry) => entry.turn)
    const entry = add(createTurn(question, options.modelId(), options.isQuoting(options.modelId())))
    running = new AbortController()
    changed()
    markLatest(root, entry.view.root)
    void answer(entry, earlier, running)
  }

  async function answer(entry: Entry, earlier: readonly Turn[], controller: AbortController): Promise<void> {
    const { signal } = controller
    const spoken = options.announcer.follow()
    options.announcer.say(texts.answer.announceStart)
    entry.view.showStatus(texts.answer.working)
    let drawing = 0
    const draw = (): void => {
      drawing = 0
      entry.view.show(entry.turn)
      spoken.grow(textOf(entry.turn))
    }
    const take = (part: StreamPart): void => {
      entry.turn = applyPart(entry.turn, part)
      if (part.type === 'status') entry.view.showStatus(describeStatus(part))
      else drawing ||= requestAnimationFrame(draw)
    }
    try {
      const agent = await untilAborted(options.agent(signal), signal)
      for await (const part of agent.stream(toMessages(earlier, entry.turn.question), { signal })) take(part)
    } catch (error) {
      take({ type: 'finish', finish: { reason: signal.aborted ? 'aborted' : 'error', steps: 0, error: infoOf(error) } })
    }
    cancelAnimationFrame(drawing)
    if (running === controller) running = undefined
    draw()
    changed()
    spoken.end(
      entry.turn.state === 'done' ? texts.answer.announceDone(entry.turn.citations.length) : texts.answer.stopped,
    )
  }

  for (const turn of options.state.current.turns) add(turn)

  return {
    root,
    ask,
    stop() {
      running?.abort()
      return running !== undefined
    },
    clear() {
      running?.abort()
      running = undefined
      entries.length = 0
      root.replaceChildren()
      changed()
    },
    lastQuestion: () => entries.at(-1)?.turn,
    turns: () => entries.map((entry) => entry.turn),
    markOpen(turnId, place) {
      for (const { turn, view } of entries) view.markOpen(turn.id === turnId ? place : undefined)
    },
    exportFile() {
      const markdown = toMarkdown(
        entries.map((entry) => entry.turn),
        texts.answer.exportTitle,
        texts.answer.draftHint,
      )
      saveFile(new Blob([markdown], { type: 'text/markdown' }), 'conversation.md')
    },
  }
}

/** Room below the newest turn, so that its question can stand at the top while the answer grows and nothing moves. */
function markLatest(list: HTMLElement, latest: HTMLElement): void {
  for (const turn of list.children) turn.classList.toggle('turn--latest', turn === latest)
  if (list.parentElement) scrollWithin(list.parentElement, latest, 'start')
}

/** A stop must not wait for what is still getting ready. */
function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>()
  const onAbort = (): void => reject(signal.reason)
  signal.addEventListener('abort', onAbort, { once: true })
  return Promise.race([promise, aborted]).finally(() => signal.removeEventListener('abort', onAbort))
}

function describeStatus(part: StatusPart): string {
  return part.loadedBytes === undefined || part.message.includes('%')
    ? part.message
    : `${part.message.replace(/[.…]$/, '')}, ${formatProgress(part.loadedBytes, part.totalBytes)}`
}

/** An error of any kind as data, such as a stream part carries. */
function infoOf(error: unknown): ErrorInfo {
  const { code, message, hint, retryable } = error as Partial<ErrorInfo>
  return {
    code: code ?? 'worker-crashed',
    message: message ?? String(error),
    hint: hint ?? '',
    retryable: retryable ?? true,
  }
}

async function copyAnswer(turn: Turn, opener: HTMLElement, announcer: Announcer): Promise<void> {
  try {
    await navigator.clipboard.writeText(answerOf(turn).trim() || textOf(turn).trim())
  } catch {
    return
  }
  const label = opener.querySelector('span') ?? opener
  const before = label.textContent ?? ''
  setText(label, texts.answer.copied)
  announcer.say(texts.answer.copied)
  setTimeout(() => setText(label, before), 1600)
}

function saveFile(file: Blob, name: string): void {
  const url = URL.createObjectURL(file)
  element('a', { href: url, download: name }).click()
  setTimeout(() => URL.revokeObjectURL(url), 10_000)
}

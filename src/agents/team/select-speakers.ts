import { AlcoveError } from '../../protocol/error.js'
import { chooseName, readChoice } from './choose.js'
import type { ChatState, GroupChatOptions, SelectSpeakers } from './group-chat.js'
import { describeMembers, transcriptOf } from './members.js'
import { prompter } from './prompts.js'
import type { Stage } from './stage.js'

/** What the host calls the end. */
const NOBODY = 'nobody'

/**
 * How a chat chooses who speaks, for one of its runs.
 *
 * @throws AlcoveError `invalid-argument` for a way that there is not, or `auto` without a model
 */
export function createSelector(options: GroupChatOptions): (stage: Stage) => SelectSpeakers {
  const { select = 'auto', agents, model, perRound = 1, seed = 1 } = options
  if (typeof select === 'function') return (stage) => rememberSpeakers(stage, select)
  if (select === 'round-robin') return () => (state) => nextInTurn(state, perRound)
  if (select === 'random') return () => randomSpeakers(seed, perRound)
  if (select === 'manual') return (stage) => (state) => askForSpeaker(stage, state)
  if (select !== 'auto') {
    throw new AlcoveError('invalid-argument', `groupChat: there is no selection '${String(select)}'`, {
      hint: "Use 'auto', 'round-robin', 'random', 'manual' or a function.",
    })
  }
  if (agents.length === 1) return () => (state) => nextInTurn(state, 1)
  if (model === undefined) {
    throw new AlcoveError('invalid-argument', "groupChat: select 'auto' needs a model for the host")
  }
  return (stage) => (state) => askHost(stage, state, { ...options, model })
}

/** What a function gave is kept for when the run is resumed: it need not give the same again. */
function rememberSpeakers(stage: Stage, select: SelectSpeakers): SelectSpeakers {
  return async (state) => {
    const names = await stage.remember('select', async () => JSON.stringify((await select(state)) ?? []))
    return JSON.parse(names) as string | string[]
  }
}

function nextInTurn({ names, last }: ChatState, count: number): string[] {
  const start = last === undefined ? 0 : names.indexOf(last) + 1
  return Array.from({ length: Math.min(count, names.length) }, (_, at) => names[(start + at) % names.length] ?? '')
}

/** Nobody speaks twice in a row where there is somebody else. */
function randomSpeakers(seed: number, count: number): SelectSpeakers {
  const random = createRandom(seed)
  return ({ names, last }) => {
    const left = names.length > count ? names.filter((name) => name !== last) : [...names]
    return Array.from({ length: Math.min(count, left.length) }, () => {
      return left.splice(Math.floor(random() * left.length), 1)[0] ?? ''
    })
  }
}

/** Numbers from 0 up to 1, the same for the same seed (mulberry32). */
function createRandom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

/** A person names who speaks; an empty reply ends the chat, and one that names nobody is asked for again. */
async function askForSpeaker(stage: Stage, { names }: ChatState): Promise<string | undefined> {
  const team = stage.job.agentPath.at(-1) ?? 'group-chat'
  for (;;) {
    const reply = await stage.askPerson({ name: team, ask: 'speaker', choices: names })
    if (reply.trim() === '') return undefined
    const choice = readChoice(reply, names)
    if (choice) return choice.name
  }
}

async function askHost(
  stage: Stage,
  state: ChatState,
  { model, sampling, prompts, agents, background = '' }: GroupChatOptions & Required<Pick<GroupChatOptions, 'model'>>,
): Promise<string | string[] | undefined> {
  const { language } = stage
  const write = prompter(prompts)
  const names = [...state.names, NOBODY]
  const choice = await chooseName(stage, {
    name: 'host',
    model,
    sampling,
    names,
    instructions: write('host', language, { members: describeMembers(agents), background, stop: NOBODY }),
    question: write('hostTask', language, { transcript: transcriptOf(state.messages) }),
    again: write('chooseAgain', language, { names: names.join(', ') }),
  })
  if (choice === undefined) return nextInTurn(state, 1)
  if (choice.name === NOBODY) return undefined
  const from = stage.job.agentPath.at(-1) ?? 'group-chat'
  stage.tell({ type: 'handoff', from, to: choice.name, why: choice.why })
  return choice.name
}

import { type Agent, type Alcove, createAlcove } from 'alcove'
import { scriptedModel } from 'alcove/testing'
import { type Example, examples } from '../examples/all.js'
import { scripts } from '../examples/scripts.js'
import type { Announcer } from './announce.js'
import { askToConfirm, openDialog } from './dialogs.js'
import { button, element } from './dom.js'
import { createPartLog } from './part-log.js'
import { texts } from './texts.js'

export interface ExamplesOptions {
  /** The page's own client. */
  readonly alcove: Alcove
  /** Name of the model that the person loaded; undefined where only quotes are given. */
  readonly modelTitle: string | undefined
  readonly announcer: Announcer
}

const sources = import.meta.glob<string>('../examples/[0-9]*.ts', { query: '?raw', import: 'default', eager: true })

/** Documents of examples go when the example is over; its sessions stay, to show that they do. */
async function removeExampleDocuments(alcove: Alcove): Promise<void> {
  const names = await alcove.corpora.list()
  await Promise.all(names.filter((name) => name.startsWith('example-')).map((name) => alcove.corpora.delete(name)))
}

/** A client whose model says what was written down for the example; all else is real. It shares what the page keeps. */
const openScripted = (id: string): Alcove =>
  createAlcove({
    model: scriptedModel(scripts[id] ?? [], { chunkSize: 6, delayMs: 25 }),
    modelBaseUrl: './models/',
    maxDownloadBytes: 0,
    storage: { name: 'alcove-demo' },
  })

/**
 * The client, with runs that end when the signal aborts. An example is a generator: by itself it ends only at its next part, which may be a
 * model's whole prompt away.
 */
function stoppable(client: Alcove, signal: AbortSignal): Alcove {
  return new Proxy(client, {
    get(target, key) {
      const value: unknown = Reflect.get(target, key)
      if (typeof value !== 'function') return value
      return (...given: unknown[]) => {
        const made: unknown = value.apply(target, given)
        if (typeof (made as Partial<Agent> | undefined)?.stream !== 'function') return made
        const agent = made as Agent
        const stream: Agent['stream'] = (input, options) => agent.stream(input, { ...options, signal })
        return { ...agent, stream }
      }
    },
  })
}

const askPerson = ({ name, input }: { readonly name: string; readonly input: unknown }): Promise<boolean> =>
  askToConfirm({
    title: texts.showcase.approve(name),
    content: [element('pre', { class: 'example__source' }, JSON.stringify(input, null, 2))],
    yes: texts.showcase.yes,
    no: texts.showcase.no,
  })

/** Opens the examples: each with its source, to run here, and what comes of it, part by part. */
export function openExamples({ alcove, modelTitle, announcer }: ExamplesOptions): void {
  if (document.querySelector('dialog[open]')) return
  let stop = () => {}
  const choice = element(
    'select',
    { id: 'examples-model' },
    ...(modelTitle === undefined ? [] : [element('option', { value: 'own' }, modelTitle)]),
    element('option', { value: 'scripted' }, texts.showcase.scripted),
  )

  function runsOn(example: Example): 'own' | 'scripted' {
    return choice.value === 'own' || (modelTitle === undefined && example.quotes) ? 'own' : 'scripted'
  }

  async function run(example: Example, log: ReturnType<typeof createPartLog>): Promise<void> {
    const scripted = runsOn(example) === 'scripted'
    const client = scripted ? openScripted(example.id) : alcove
    const stopping = new AbortController()
    const parts = example.run(stoppable(client, stopping.signal), askPerson)[Symbol.asyncIterator]()
    let stopped = false
    const halted = new Promise<{ readonly done: true }>((resolve) => {
      stop = () => {
        stopped = true
        stopping.abort()
        void parts.return?.().catch(() => undefined)
        resolve({ done: true })
      }
    })
    try {
      for (;;) {
        const next = await Promise.race([parts.next(), halted])
        if (next.done) break
        log.add(next.value)
      }
    } catch (error) {
      if (!stopped)
        log.add({ type: 'error', error: { message: error instanceof Error ? error.message : String(error) } })
    }
    await removeExampleDocuments(client).catch(() => undefined)
    if (scripted) await client.close()
    announcer.say(stopped ? texts.showcase.stopped : texts.showcase.done)
  }

  function view(example: Example): HTMLElement {
    const log = createPartLog(texts.showcase.parts)
    const about = element('p', { class: 'example__about' })
    const go = button({ label: texts.showcase.run, class: 'button button--primary', onclick: () => void start() })
    const halt = button({ label: texts.showcase.stop, onclick: () => stop() })
    halt.hidden = true
    const tell = () => {
      const own = modelTitle ?? texts.models.quotes
      about.textContent = runsOn(example) === 'own' ? texts.showcase.onModel(own) : texts.showcase.onScript
    }
    const start = async () => {
      stop()
      log.clear()
      tell()
      halt.hidden = false
      go.disabled = true
      await run(example, log)
      go.disabled = false
      halt.hidden = true
      if (root.open) go.focus()
    }
    choice.addEventListener('change', tell)
    tell()
    const source = sources[`../examples/${example.id}.ts`] ?? ''
    return element(
      'details',
      { class: 'example', name: 'example' },
      element('summary', {}, element('span', { class: 'example__number' }, example.id.slice(0, 2)), example.title),
      element(
        'pre',
        { class: 'example__source', tabindex: 0, role: 'region', 'aria-label': texts.showcase.source(example.title) },
        element('code', {}, source.trim()),
      ),
      element('div', { class: 'example__actions' }, go, halt, about),
      log.root,
    )
  }

  const root: HTMLDialogElement = element(
    'dialog',
    { class: 'dialog dialog--examples', 'aria-labelledby': 'examples-title' },
    element(
      'header',
      { class: 'dialog__header' },
      element('h2', { id: 'examples-title' }, texts.showcase.title),
      button({ label: texts.showcase.close, icon: 'close', iconOnly: true, onclick: () => root.close() }),
    ),
    element('p', { class: 'dialog__sentence' }, texts.showcase.sentence),
    element('label', { for: 'examples-model' }, texts.showcase.model),
    choice,
    element('div', { class: 'examples' }, ...examples.map(view)),
  )
  document.body.append(root)
  root.addEventListener('close', () => {
    stop()
    root.remove()
  })
  openDialog(root)
}

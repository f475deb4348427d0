import type { Alcove } from 'alcove'
import type { Announcer } from './announce.js'
import type { Conversation } from './conversation.js'
import { askToConfirm } from './dialogs.js'
import type { Documents } from './documents.js'
import { element } from './dom.js'
import type { Models } from './models.js'
import { texts } from './texts.js'
import type { UsageNumbers } from './usage.js'

export interface ClearOptions {
  readonly alcove: Alcove
  readonly conversation: Conversation
  readonly documents: Documents
  readonly models: Models
  readonly usage: UsageNumbers | undefined
  readonly announcer: Announcer
}

/** Asks, and then removes all that this page keeps on the device. False when the person kept it. */
export async function clearEverything(options: ClearOptions): Promise<boolean> {
  const { alcove, conversation, documents, models, announcer } = options
  const modelBytes = options.usage?.modelBytes ?? 0
  const withModels = element('input', { type: 'checkbox', checked: true })
  const content = [
    element('p', { class: 'dialog__sentence' }, texts.clear.sentence),
    element(
      'ul',
      { class: 'plain-list' },
      element('li', {}, texts.clear.documents(documents.rows().length)),
      element('li', {}, texts.clear.conversation(conversation.turns().length)),
      element('li', {}, texts.clear.kept),
    ),
    ...(modelBytes > 0 ? [element('label', { class: 'check' }, withModels, texts.clear.models(modelBytes))] : []),
  ]
  const agreed = await askToConfirm({
    title: texts.clear.title,
    content,
    yes: texts.clear.yes,
    no: texts.clear.no,
    danger: true,
  })
  if (!agreed) return false
  conversation.clear()
  const kinds: Parameters<Alcove['storage']['clear']>[0][] = ['answers', 'embeddings', 'sessions']
  if (withModels.checked && modelBytes > 0) {
    await models.forget()
    kinds.push('models')
  }
  const results = await Promise.allSettled([documents.clear(), ...kinds.map((kind) => alcove.storage.clear(kind))])
  announcer.say(results.every((result) => result.status === 'fulfilled') ? texts.clear.done : texts.clear.failed)
  return true
}

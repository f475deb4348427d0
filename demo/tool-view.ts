import { element } from './dom.js'
import { texts } from './texts.js'
import type { ToolLine } from './turn.js'

/** Tool calls, one quiet line each that unfolds. */
export function createToolView(): { readonly root: HTMLElement; show(tools: readonly ToolLine[]): void } {
  const root = element('div', { class: 'tools' })
  const shown = new Map<string, { readonly line: HTMLElement; readonly tool: ToolLine }>()
  return {
    root,
    show(tools) {
      root.hidden = tools.length === 0
      for (const tool of tools) {
        const known = shown.get(tool.callId)
        if (known?.tool === tool) continue
        const line = toolLine(tool)
        if (known) {
          line.toggleAttribute('open', known.line.hasAttribute('open'))
          known.line.replaceWith(line)
        } else root.append(line)
        shown.set(tool.callId, { line, tool })
      }
    },
  }
}

const readable = (value: unknown): string =>
  typeof value === 'string' ? value : (JSON.stringify(value, null, 2) ?? '')

function toolLine(tool: ToolLine): HTMLElement {
  const done = tool.isError !== undefined
  const label = !done ? texts.answer.toolRunning : tool.isError ? texts.answer.toolFailed : texts.answer.toolDone
  return element(
    'details',
    { class: 'folded' },
    element('summary', {}, label(tool.name)),
    element('p', { class: 'folded__label' }, texts.answer.toolInput),
    element('pre', {}, readable(tool.input)),
    done && element('p', { class: 'folded__label' }, texts.answer.toolOutput),
    done && element('pre', {}, readable(tool.output)),
  )
}

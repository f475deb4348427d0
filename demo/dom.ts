type Child = Node | string | undefined | false
type Listener = (event: never) => void
/** Attributes by name; `true` sets an empty one, `undefined` and `false` leave it out; a function is a listener for `on<event>`. */
type Attributes = Readonly<Record<string, string | number | boolean | undefined | Listener>>

/** Makes an element with attributes, listeners and children. Text is always text, never markup. */
export function element<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  attributes: Attributes = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[Tag] {
  const made = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === false) continue
    if (typeof value === 'function') made.addEventListener(name.slice(2), value as unknown as EventListener)
    else made.setAttribute(name, value === true ? '' : String(value))
  }
  made.append(...children.filter((child): child is Node | string => child !== undefined && child !== false))
  return made
}

/** Outlines of the icons, drawn in a box of 20 by 20 with a line of 1.6. */
const ICONS = {
  add: 'M10 4v12M4 10h12',
  back: 'M12 5l-5 5 5 5',
  check: 'M4.5 10.5l3.5 3.5 7.5-8',
  chevron: 'M6 8l4 4 4-4',
  close: 'M5 5l10 10M15 5L5 15',
  copy: 'M7 7V4.5h8.5V13H13M4.5 7H13v8.5H4.5z',
  document: 'M5.5 3h6L15 6.5V17H5.5zM11.5 3v3.5H15',
  edit: 'M4 16l.8-3.4L13 4.4l2.6 2.6-8.2 8.2z',
  export: 'M10 3v9.5M6.5 9.5L10 13l3.5-3.5M4 16.5h12',
  folder: 'M3 6v9.5h14V7.5h-7L8.2 5H3z',
  help: 'M7.4 7.6a2.6 2.6 0 1 1 3.9 2.3c-.9.5-1.3 1-1.3 2M10 14.7v.1',
  menu: 'M4 6h12M4 10h12M4 14h12',
  paste: 'M7 4.5H5V17h10V4.5h-2M7.5 3h5v3h-5z',
  remove: 'M4.5 6h11M8 6V4h4v2M6 6l.7 10.5h6.6L14 6',
  retry: 'M15.5 10a5.5 5.5 0 1 1-1.7-4M15.5 3.5v3h-3',
  send: 'M10 16V4.5M5 9.2L10 4.2l5 5',
  stop: 'M6 6h8v8H6z',
  verified: 'M10 2.5l6 2.3v4.4c0 3.9-2.5 6.6-6 8.3-3.5-1.7-6-4.4-6-8.3V4.8zM7.2 9.8l2 2 3.6-4',
  warning: 'M10 3l7.5 13.5h-15zM10 8v4M10 14.3v.1',
} as const

export type IconName = keyof typeof ICONS

const SVG = 'http://www.w3.org/2000/svg'

/** An icon that screen readers pass over; what it means stands beside it or in a label. */
export function icon(name: IconName): SVGSVGElement {
  const svg = document.createElementNS(SVG, 'svg')
  svg.setAttribute('viewBox', '0 0 20 20')
  svg.setAttribute('class', 'icon')
  svg.setAttribute('aria-hidden', 'true')
  svg.setAttribute('focusable', 'false')
  const path = document.createElementNS(SVG, 'path')
  path.setAttribute('d', ICONS[name])
  svg.append(path)
  return svg
}

interface ButtonOptions {
  /** What it says, or what a screen reader says when `iconOnly`. */
  readonly label: string
  readonly icon?: IconName
  readonly iconOnly?: boolean
  readonly class?: string
  readonly disabled?: boolean
  /** For a label that is too short to stand alone. */
  readonly describedAs?: string
  readonly onclick: (event: MouseEvent) => void
}

/** A button that is not a submit button. */
export function button(options: ButtonOptions): HTMLButtonElement {
  return element(
    'button',
    {
      type: 'button',
      class: options.class ?? (options.iconOnly ? 'button button--icon' : 'button'),
      'aria-label': options.describedAs ?? (options.iconOnly ? options.label : undefined),
      title: options.iconOnly ? options.label : undefined,
      disabled: options.disabled,
      onclick: options.onclick,
    },
    options.icon && icon(options.icon),
    !options.iconOnly && element('span', {}, options.label),
  )
}

/** Puts the children in the place of what was there, without touching those that stay: focus and scroll live on. */
export function replaceChildren(parent: Element, children: readonly Node[]): void {
  const wanted = new Set(children)
  for (const child of [...parent.childNodes]) if (!wanted.has(child as Node)) child.remove()
  for (const [index, child] of children.entries()) {
    if (parent.childNodes[index] !== child) parent.insertBefore(child, parent.childNodes[index] ?? null)
  }
}

/** Sets text only where it differs, so that a live region or a selection is not disturbed. */
export function setText(target: Element, text: string): void {
  if (target.textContent !== text) target.textContent = text
}

/**
 * Scrolls a box so that something in it stands at its top or in its middle. Unlike `scrollIntoView`, it leaves the page around
 * the box alone.
 */
export function scrollWithin(box: Element, target: Element, block: 'start' | 'center'): void {
  const { top, height } = target.getBoundingClientRect()
  const frame = box.getBoundingClientRect()
  const room = block === 'center' ? Math.max(0, (frame.height - height) / 2) : 0
  box.scrollTop += top - frame.top - room
}

/** Whether a key press belongs to somebody who is writing. */
export function isWriting(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.matches('input, textarea, select') || target.isContentEditable)
}

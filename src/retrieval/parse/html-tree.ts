import type { DefaultTreeAdapterTypes } from 'parse5'

export type HtmlNode = DefaultTreeAdapterTypes.Node
export type HtmlElement = DefaultTreeAdapterTypes.Element

export function isElement(node: HtmlNode): node is HtmlElement {
  return 'tagName' in node
}

export function childrenOf(node: HtmlNode): readonly HtmlNode[] {
  return 'childNodes' in node ? node.childNodes : []
}

export function textOf(node: HtmlNode): string | undefined {
  return node.nodeName === '#text' && 'value' in node ? node.value : undefined
}

export function attributeOf(element: HtmlElement, name: string): string | undefined {
  return element.attrs.find((attribute) => attribute.name === name)?.value
}

/** What `walkTree` calls. */
export interface TreeVisitor {
  /** Returns false to leave out the node and all in it; its `leave` is then not called. */
  enter(node: HtmlNode): boolean
  leave?(node: HtmlNode): void
}

/** Visits a tree in document order. Not recursive: a hostile page may nest a million elements. */
export function walkTree(root: HtmlNode, visitor: TreeVisitor): void {
  if (!visitor.enter(root)) return
  const open: { readonly node: HtmlNode; next: number }[] = [{ node: root, next: 0 }]
  for (let frame = open.at(-1); frame; frame = open.at(-1)) {
    const child = childrenOf(frame.node)[frame.next++]
    if (!child) {
      visitor.leave?.(frame.node)
      open.pop()
    } else if (visitor.enter(child)) {
      open.push({ node: child, next: 0 })
    }
  }
}

/** The first element that passes, in document order. */
export function findElement(root: HtmlNode, test: (element: HtmlElement) => boolean): HtmlElement | undefined {
  let found: HtmlElement | undefined
  walkTree(root, {
    enter(node) {
      if (!found && isElement(node) && test(node)) found = node
      return !found
    },
  })
  return found
}

/** All text in a node, as it stands. */
export function collectText(root: HtmlNode): string {
  const pieces: string[] = []
  walkTree(root, {
    enter(node) {
      const text = textOf(node)
      if (text !== undefined) pieces.push(text)
      return true
    },
  })
  return pieces.join('')
}

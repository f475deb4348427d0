/** Lets JSON through up to the end of its first object or list. */
export interface JsonCutter {
  /** The part of the text that belongs to it. */
  push(text: string): string
}

export function createJsonCutter(): JsonCutter {
  let depth = 0
  let isOver = false
  let isInString = false
  let isEscaped = false

  function take(character: string): void {
    if (isInString) {
      if (isEscaped) isEscaped = false
      else if (character === '\\') isEscaped = true
      else if (character === '"') isInString = false
    } else if (character === '"') isInString = true
    else if (character === '{' || character === '[') depth++
    else if (character === '}' || character === ']') isOver = --depth <= 0
  }

  return {
    push(text) {
      for (let at = 0; at < text.length; at++) {
        if (isOver) return text.slice(0, at)
        take(text.charAt(at))
      }
      return text
    },
  }
}

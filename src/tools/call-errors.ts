import { nearestNames } from './nearest-names.js'
import type { Tool } from './tool.js'
import { failure, type Outcome, shorten } from './try-tool.js'

/** An input that does not fit. */
export function invalidInput(tool: Tool, problems: readonly string[]): Outcome {
  const list = problems.map((problem) => `- ${problem}`).join('\n')
  return {
    ...failure(`Error: the input of ${tool.name} does not fit its schema. Mend it and call again:\n${list}`),
    isInvalid: true,
  }
}

/** @param name of the tool whose limit it is; else the run's */
export function tooManyText(maxCalls: number, name?: string): string {
  if (name !== undefined) return `Error: the limit of ${maxCalls} calls of ${name} is reached. Go on without it.`
  return `Error: the limit of ${maxCalls} tool calls is reached. Answer without more calls.`
}

export function interruptedText(): string {
  return 'Error: the run was interrupted while this call was running. Whether it was done is not known, so it was not made again.'
}

export function unreadableText(): string {
  return 'Error: the call could not be read. Expected an object {"name": …, "arguments": {…}} in valid JSON.'
}

export function unknownText(name: string, names: readonly string[]): string {
  if (names.length === 0) return `Error: there is no tool ${name}: no tools can be called here.`
  const near = nearestNames(name, names)
  const hint = near.length > 0 ? ` Did you mean ${near.join(' or ')}?` : ''
  return shorten(`Error: there is no tool ${name}.${hint} The tools are: ${names.slice(0, 20).join(', ')}.`)
}

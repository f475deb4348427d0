import { AlcoveError, isAlcoveError, toAlcoveError } from '../../protocol/error.js'

/** What the browser threw while it made a session or answered. */
export function translatePromptError(error: unknown, doing: 'load' | 'run'): AlcoveError {
  if (isAlcoveError(error)) return error
  const { name, message, requested, quota } = (error ?? {}) as {
    readonly name?: unknown
    readonly message?: unknown
    readonly requested?: unknown
    readonly quota?: unknown
  }
  const text = typeof message === 'string' && message !== '' ? message : String(name ?? error)
  switch (name) {
    case 'QuotaExceededError': {
      const counts =
        typeof requested === 'number' && typeof quota === 'number'
          ? { promptTokens: requested, contextTokens: quota }
          : {}
      return new AlcoveError('context-overflow', `the prompt is longer than the browser's model takes: ${text}`, {
        cause: error,
        details: counts,
      })
    }
    case 'NotAllowedError':
      return new AlcoveError('permission-denied', `the browser does not let this page use its model now: ${text}`, {
        cause: error,
        hint: 'A model that must be downloaded first needs a click: call alcove.load() in its handler. A frame needs allow="language-model".',
      })
    case 'NotSupportedError':
      return new AlcoveError('invalid-argument', `the browser's model does not take this: ${text}`, {
        cause: error,
        hint: 'It may not know the language, the kind of input or the schema.',
      })
    case 'SyntaxError':
    case 'TypeError':
      return new AlcoveError('invalid-argument', `the browser's model refused the request: ${text}`, { cause: error })
    default:
      return toAlcoveError(
        error,
        doing === 'load' ? 'model-load-failed' : 'worker-crashed',
        "the browser's model failed",
      )
  }
}

export function overflowError(promptTokens: number, contextTokens: number): AlcoveError {
  return new AlcoveError(
    'context-overflow',
    `the prompt has ${promptTokens} tokens, the browser's model takes ${contextTokens}`,
    {
      details: { promptTokens, contextTokens },
    },
  )
}

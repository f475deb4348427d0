import { isAlcoveError } from '../../protocol/error.js'

/** What `codeOf` and `thrownCode` give when nothing went wrong. */
export const NO_ERROR = 'no error'

const codeOfError = (error: unknown): string => (isAlcoveError(error) ? error.code : `not an AlcoveError: ${error}`)

/** The code of the `AlcoveError` that a promise rejects with. */
export async function codeOf(work: PromiseLike<unknown>): Promise<string> {
  try {
    await work
    return NO_ERROR
  } catch (error) {
    return codeOfError(error)
  }
}

/** The code of the `AlcoveError` that a call throws. */
export function thrownCode(work: () => unknown): string {
  try {
    work()
    return NO_ERROR
  } catch (error) {
    return codeOfError(error)
  }
}

import { AlcoveError, toAlcoveError } from '../../protocol/error.js'
import { sizeText } from '../../text/size-text.js'

/** A download that somebody has to agree to. */
export interface DownloadRequest {
  readonly id: string
  readonly title: string
  /** Bytes to fetch; undefined where no server tells. */
  readonly bytes: number | undefined
  readonly licence: string | undefined
}

export interface ConsentOptions {
  /** What may be fetched without asking, in bytes. */
  readonly maxDownloadBytes: number
  /** Asks the person; none given means that what is above the limit is refused. */
  readonly confirmDownload?: ((model: DownloadRequest) => Promise<boolean> | boolean) | undefined
  /** The person asked the browser to save data: nothing is fetched unasked. */
  readonly saveData: boolean
}

/** Decides on downloads. A yes is remembered for the model, and one question is open for a model at a time. */
export interface Consent {
  /** @throws AlcoveError `download-refused` with the size, the limit and what to do */
  check(request: DownloadRequest): Promise<void>
  /** The person chose this model by name, with its size before their eyes. */
  grant(id: string): void
}

export function createConsent(options: ConsentOptions): Consent {
  const granted = new Set<string>()
  const asking = new Map<string, Promise<boolean>>()
  const limit = options.saveData ? 0 : options.maxDownloadBytes

  /** Anything but `true` is no consent. */
  async function putQuestion(request: DownloadRequest): Promise<boolean> {
    try {
      return (await options.confirmDownload?.(request)) === true
    } catch (cause) {
      const { message } = toAlcoveError(cause, 'internal')
      throw new AlcoveError('download-refused', `Nobody could be asked about ${request.title}: ${message}`, {
        cause,
        hint: 'See the cause: confirmDownload of createAlcove has failed.',
      })
    }
  }

  const ask = (request: DownloadRequest): Promise<boolean> => {
    const open = asking.get(request.id)
    if (open) return open
    const answer = putQuestion(request).finally(() => asking.delete(request.id))
    asking.set(request.id, answer)
    return answer
  }

  return {
    grant: (id) => void granted.add(id),
    async check(request) {
      const { id, title, bytes } = request
      if (granted.has(id) || (bytes !== undefined && bytes <= limit)) return
      if (await ask(request)) return void granted.add(id)
      const size = bytes === undefined ? 'a download of unknown size' : `a download of ${sizeText(bytes)}`
      const unasked = options.saveData ? 'nothing is' : `at most ${sizeText(limit)} are`
      const why = options.confirmDownload ? 'it was not agreed to' : `${unasked} fetched unasked`
      throw new AlcoveError('download-refused', `${title} needs ${size}; ${why}.`, {
        hint: hintFor(options),
        details: { bytes, maxDownloadBytes: limit },
      })
    },
  }
}

function hintFor({ confirmDownload, saveData }: ConsentOptions): string {
  if (confirmDownload) return 'Agree to the download when asked again, or choose a smaller model.'
  return saveData
    ? 'The browser asks to save data: pass confirmDownload to createAlcove, so that the person can agree.'
    : 'Pass confirmDownload to createAlcove, raise maxDownloadBytes, or choose a smaller model.'
}

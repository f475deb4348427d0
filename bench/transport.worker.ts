// The worker's end of the transport benchmark: the same parts by each way.
import { servePort } from '../src/rpc/port-stream.js'
import { serveWorker } from '../src/rpc/serve-worker.js'

export interface TextPart {
  readonly type: 'text-delta'
  readonly text: string
}

const part: TextPart = { type: 'text-delta', text: 'word ' }
let produced = 0

const channel = new MessageChannel()
let wake = () => {}
channel.port1.onmessage = () => wake()
/** Lets the event loop turn once, as an engine does after each token. */
function turn(): Promise<void> {
  return new Promise((resolve) => {
    wake = resolve
    channel.port2.postMessage(0)
  })
}

const api = {
  /** Parts through a port, one after the other as fast as they are taken, or one in each turn of the event loop. */
  async stream(count: number, eachInItsOwnTask: boolean, port: MessagePort): Promise<void> {
    produced = 0
    await servePort<TextPart>(port, async function* () {
      for (let index = 0; index < count; index++) {
        if (eachInItsOwnTask) await turn()
        produced += 1
        yield part
      }
    })
  },
  /** One part a call. */
  next(): TextPart {
    return part
  },
  /** Parts through a callback of the page that nobody waits for. */
  async callBack(count: number, receive: (part: TextPart) => unknown): Promise<void> {
    produced = 0
    for (let index = 0; index < count; index++) {
      void receive(part)
      produced += 1
    }
  },
  /** Parts through a callback of the page, each awaited. */
  async callBackAwaited(count: number, receive: (part: TextPart) => unknown): Promise<void> {
    for (let index = 0; index < count; index++) await receive(part)
  },
  /** How many parts the last stream or callback has made so far. */
  produced: () => produced,
}

export type TransportApi = typeof api

serveWorker(api)

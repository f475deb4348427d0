import { AlcoveError } from '../../protocol/error.js'
import { brokenOff } from './rpc-error.js'
import type { SendOptions, Transport, TransportEvents } from './transport.js'
import { type RpcMessage, readMessage } from './wire.js'

/** MCP over a MessagePort: each message is one JSON-RPC object, as it is. For servers in a frame or a worker of the page. */
export class PortTransport implements Transport {
  readonly isAnsweredBySend = false
  readonly #port: MessagePort
  readonly #name: string
  #stop = (): void => {}

  constructor(port: MessagePort, name: string) {
    if (typeof port?.postMessage !== 'function' || typeof port.start !== 'function') {
      throw new AlcoveError('invalid-argument', 'connectMcp: expected a MessagePort as port')
    }
    this.#port = port
    this.#name = name
  }

  async open({ onMessage, onLost }: TransportEvents): Promise<void> {
    const port = this.#port
    const receive = ({ data }: MessageEvent) => {
      const message = readMessage(data)
      if (message !== undefined) onMessage(message)
    }
    const lose = () => onLost(brokenOff(this.#name))
    port.addEventListener('message', receive)
    // Where a browser tells of it: the other side closed the port, or is gone.
    port.addEventListener('close', lose)
    this.#stop = () => {
      port.removeEventListener('message', receive)
      port.removeEventListener('close', lose)
    }
    port.start()
  }

  /** @throws AlcoveError `invalid-argument` for what cannot be cloned */
  async send(message: RpcMessage, _options?: SendOptions): Promise<void> {
    try {
      this.#port.postMessage(message)
    } catch (cause) {
      throw new AlcoveError('invalid-argument', `MCP server '${this.#name}': this cannot be sent over a port`, {
        cause,
      })
    }
  }

  async close(): Promise<void> {
    this.#stop()
    this.#port.close()
  }
}

import type { AlcoveError } from '../../protocol/error.js'
import type { RpcMessage } from './wire.js'

export interface SendOptions {
  readonly signal?: AbortSignal | undefined
  /** More headers, for what goes over HTTP. */
  readonly headers?: Readonly<Record<string, string>> | undefined
}

/** Whom a transport tells of what comes. */
export interface TransportEvents {
  onMessage(message: RpcMessage): void
  /** The connection is gone; nothing more comes. Not called by `close`. */
  onLost(error: AlcoveError): void
}

/** Carries messages to one server and back. */
export interface Transport {
  /** Whether `send` of a request settles with the end of the answer's stream: then a request without its answer has none. */
  readonly isAnsweredBySend: boolean
  open(events: TransportEvents, signal?: AbortSignal): Promise<void>
  send(message: RpcMessage, options?: SendOptions): Promise<void>
  /** Told after the handshake. */
  onVersion?(version: string): void
  /** Begins to take messages that answer nothing. */
  listen?(): void
  close(): Promise<void>
}

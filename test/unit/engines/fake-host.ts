import type { Remote } from 'comlink'
import type { LlmApi } from '../../../src/engines/serve-model.js'
import { AlcoveError } from '../../../src/protocol/error.js'
import { readOne, readPort } from '../../../src/rpc/port-stream.js'
import type { WorkerHost, WorkerState } from '../../../src/rpc/worker-host.js'
import { abortError } from '../../../src/runtime/abort.js'

/** A host whose worker is in this thread: real ports, and a death that leaves calls pending. */
export function fakeHost(makeApi: () => LlmApi) {
  let api: LlmApi | undefined
  let state: WorkerState = 'idle'
  let restarts = -1
  let lives = new AbortController()
  const kills: string[] = []
  const rests: number[] = []
  const start = () => {
    if (state === 'closed') throw new AlcoveError('closed', 'closed')
    if (api) return api
    api = makeApi()
    lives = new AbortController()
    state = 'ready'
    restarts++
    return api
  }
  const remote = () => start() as unknown as Remote<LlmApi>
  const host: WorkerHost<LlmApi> = {
    async call(use, { signal } = {}) {
      if (signal?.aborted) throw abortError(signal)
      return use(remote())
    },
    stream(run, { signal } = {}) {
      const { port1, port2 } = new MessageChannel()
      const worker = remote()
      const life = signal ? AbortSignal.any([signal, lives.signal]) : lives.signal
      if (!life.aborted) void run(worker, port2).catch(() => {})
      return readPort(port1, { signal: life })
    },
    request: (run, options) => readOne(host.stream(run, options)),
    get state() {
      return state
    },
    get restarts() {
      return Math.max(restarts, 0)
    },
    get starts() {
      return restarts + 1
    },
    kill(reason) {
      kills.push(reason.message)
      api = undefined
      state = 'idle'
      lives.abort(reason)
    },
    rest() {
      rests.push(restarts)
      api = undefined
      state = 'idle'
    },
    async close() {
      host.kill(new AlcoveError('closed', 'closed'))
      state = 'closed'
    },
  }
  return { host, kills, rests }
}

import { transfer } from 'comlink'
import type { DeviceProfile } from './engines/choice/device.js'
import { createDeviceChoices, createMeasuredDevices, type MeasuredDevices } from './engines/choice/measured-device.js'
import type { ModelInspection, ModelSpec } from './engines/engine.js'
import { openRetrievalWorker } from './package-workers.js'
import type { RetrievalApi } from './retrieval/serve-corpus.js'
import { openWorker, startWorker } from './rpc/open-worker.js'
import { createWorkerHost } from './rpc/worker-host.js'
import type { Settings } from './settings.js'
import { openStore } from './store/idb-store.js'
import type { Store } from './store/store.js'

/** Two short passages: enough to tell milliseconds from seconds, and little for a device that is slow. */
const PASSAGES = [
  'The library opens at nine in the morning and closes at six. On Fridays it stays open until eight.',
  'Visitors may borrow up to ten books for four weeks, and bring them back to any branch of the town.',
]

export interface DevicesParts {
  readonly settings: Settings
  readonly profile: DeviceProfile
  readonly inspectEmbedder: (spec: ModelSpec) => Promise<ModelInspection>
}

/** Measures where embedding models run faster, each device in a worker of its own that ends with the measurement. */
export function composeDevices({ settings, profile, inspectEmbedder }: DevicesParts): MeasuredDevices {
  let opened: Promise<Store> | undefined
  const store = (): Promise<Store> => {
    opened ??= openStore(`${settings.storageName}-devices`)
    return opened
  }
  return createMeasuredDevices({
    profile,
    choices: createDeviceChoices(store, profile.fingerprint ?? ''),
    isStored: async (spec) => (await inspectEmbedder(spec)).state === 'available',
    async time(spec, device, signal) {
      const host = createWorkerHost<RetrievalApi>({
        name: 'alcove-measure',
        open: () => openRetrievalWorker(settings.workerBaseUrl, { openWorker, startWorker }),
      })
      try {
        return await host.request(
          (api, port) => api.timeEmbedder({ ...spec, device }, PASSAGES, transfer(port, [port])),
          { signal },
        )
      } finally {
        await host.close()
      }
    },
  })
}

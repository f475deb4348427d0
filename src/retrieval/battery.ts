import type { PaceControl } from './pace.js'

/** The part of the Battery Status API that is used here (W3C Working Draft; Chromium only, pages only). */
interface BatteryManager extends EventTarget {
  readonly charging: boolean
}

interface BatteryNavigator {
  getBattery?(): Promise<BatteryManager>
}

/**
 * Makes a pace gentle while the device runs on its battery. Where the browser does not tell, nothing changes. A page that nobody looks at is
 * no reason: people leave a page just while it works.
 * @returns stops following
 */
export function followBattery(
  pace: PaceControl,
  facts: BatteryNavigator | undefined = globalThis.navigator as BatteryNavigator | undefined,
): () => void {
  let isOver = false
  let stop = (): void => {}
  const follow = async (): Promise<void> => {
    const battery = await facts?.getBattery?.()
    if (battery === undefined || isOver) return
    const apply = (): void => pace.set({ isGentle: !battery.charging })
    battery.addEventListener('chargingchange', apply)
    stop = () => battery.removeEventListener('chargingchange', apply)
    apply()
  }
  // A policy may forbid it: full speed then.
  follow().catch(() => {})
  return () => {
    isOver = true
    stop()
  }
}

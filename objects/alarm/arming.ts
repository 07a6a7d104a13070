import { log } from '../../shared/log'
import { backoffMs, MAX_DELAY_MS } from '../../shared/retry'
import type { ShardStore } from '../store/shard-store'
import type { AlarmLoop } from './loop'

/** An alarm that is this late is taken to be lost. */
const OVERDUE_MS = 60_000

/** Keeps an alarm set for as long as a shard has work, with as few writes as that takes. */
export class Arming {
  readonly #storage: DurableObjectStorage
  readonly #store: ShardStore
  readonly #loop: AlarmLoop
  readonly #shard: string | undefined
  /**
   * When the alarm for the journal is due, 0 while it runs, and null when there is none.
   * An object that has just started does not know of an alarm set before: then it is null too.
   */
  #armedFor: number | null = null

  /** @param shard its name, for the log */
  constructor(
    storage: DurableObjectStorage,
    store: ShardStore,
    loop: AlarmLoop,
    shard: string | undefined,
  ) {
    this.#storage = storage
    this.#store = store
    this.#loop = loop
    this.#shard = shard
  }

  /** Arms the alarm together with the first row of the journal: while there are rows, one is due or running. */
  committed(): void {
    const isArmed = this.#armedFor !== null && !isTooFarAhead(this.#armedFor)
    if (isArmed || this.#store.journal.isEmpty()) return
    // Not for this very moment: an alarm that was due just now may still be running.
    this.#armedFor = Date.now() + 1
    void this.#storage.setAlarm(this.#armedFor)
  }

  /** Does what is due when the alarm comes, and arms the next one. It never throws. */
  async run(): Promise<void> {
    this.#armedFor = 0
    let wait: number | null
    try {
      await this.#loop.work()
      wait = this.#loop.untilNextWork()
    } catch (error) {
      const about = { shard: this.#shard, error: String(error) }
      log('error', 'the alarm loop failed unexpectedly', about)
      wait = backoffMs(1)
    }
    // Never for this very moment: such an alarm may not come, and no other would follow it.
    const next = wait === null ? null : Date.now() + Math.max(1, wait)
    // An alarm for other work may be far ahead; it must not count as one for the journal.
    this.#armedFor = this.#store.journal.isEmpty() ? null : next
    // This comes last, so that an alarm is set whatever failed before.
    if (next !== null) await this.#storage.setAlarm(next)
  }

  /** Arms an alarm if there is work and none is due. */
  async ensure(): Promise<void> {
    const wait = this.#loop.untilNextWork()
    if (wait === null) return
    const due = Date.now() + Math.max(1, wait)
    const alarm = await this.#storage.getAlarm()
    const isOverdue = alarm !== null && alarm < Date.now() - OVERDUE_MS
    if (alarm === null || alarm > due || isOverdue) await this.#storage.setAlarm(due)
  }
}

/** Says whether an alarm was set before the clock jumped back. No alarm is set so far ahead otherwise. */
function isTooFarAhead(alarm: number): boolean {
  return alarm > Date.now() + MAX_DELAY_MS
}

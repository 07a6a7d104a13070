/** What consumers and operators may expect of one shard, in its simplest form: pairs of an event and a subscription. */

export interface Rules {
  maxAttempts: number
  /** The waits after each nack that does not name its own; the last is for all later ones. */
  retrySeconds: number[]
}

interface OpenPair {
  nacks: number
  expiries: number
  /** From when on it can be claimed. */
  visibleAt: number
  /** Who was given it last, until somebody acts on it. The lease may be over. */
  holder: { token: string; expiresAt: number } | null
}

interface ModelEvent {
  n: number
  pairs: Map<string, OpenPair | 'failed'>
  /** What each token did to it last. */
  did: Map<string, string>
  /** How much there is to tell of it; of what is too much, the oldest is forgotten. */
  happened: number
}

export interface Said {
  event_id: string
  verb: 'ack' | 'nack' | 'release'
  delay?: number | undefined
}

export type OperatorVerb = 'ack' | 'nack' | 'retry'

/** An event is given up after so many leases without an answer, or after max_attempts if that is more. */
const MIN_EXPIRIES = 10
/** An event's row tells of so many happenings. */
const TOLD = 20

const isOpen = (pair: OpenPair | 'failed' | undefined): pair is OpenPair =>
  pair !== undefined && pair !== 'failed'

export class LeaseModel {
  readonly events = new Map<string, ModelEvent>()
  /** What was counted in each subscription. These only rise. */
  readonly sums: Map<string, { claimed: number; settled: number; expired: number; failed: number }>
  readonly #rules: Record<string, Rules>
  #count = 0

  constructor(rules: Record<string, Rules>) {
    this.#rules = rules
    const none = () => ({ claimed: 0, settled: 0, expired: 0, failed: 0 })
    this.sums = new Map(Object.keys(rules).map((name) => [name, none()]))
  }

  /** @returns the number of the event, or null when there is one with this id */
  post(id: string, names: string[], visibleAt: number): number | null {
    if (this.events.has(id)) return null
    const n = ++this.#count
    const pair = () => ({ nacks: 0, expiries: 0, visibleAt, holder: null })
    const pairs = new Map(names.map((name) => [name, pair()] as const))
    this.events.set(id, { n, pairs, did: new Map(), happened: 0 })
    return n
  }

  status(id: string): string | null {
    const event = this.events.get(id)
    if (!event) return null
    const pairs = [...event.pairs.values()]
    return pairs.length === 0 ? 'delivered' : pairs.includes('failed') ? 'failed' : 'pending'
  }

  counts(name: string, now: number) {
    const open = this.#open(name).map(([, pair]) => pair)
    const leased = open.filter(({ holder }) => holder && holder.expiresAt > now).length
    const scheduled = open.filter(({ holder, visibleAt }) => !holder && visibleAt > now).length
    return {
      open: open.length,
      ready: open.length - leased - scheduled,
      leased,
      scheduled,
      ...this.#sum(name),
    }
  }

  /** Which events a claim may return, with their attempts, and which it may give up. */
  claimable(name: string, now: number): { attempts: Map<string, number>; wornOut: Set<string> } {
    const attempts = new Map<string, number>()
    const wornOut = new Set<string>()
    for (const [id, pair] of this.#open(name)) {
      if ((pair.holder?.expiresAt ?? pair.visibleAt) > now) continue
      const expiries = pair.expiries + Number(pair.holder !== null)
      if (pair.holder && expiries >= this.#mostExpiries(name)) wornOut.add(id)
      else attempts.set(id, pair.nacks + expiries + 1)
    }
    return { attempts, wornOut }
  }

  claimed(name: string, ids: string[], token: string, expiresAt: number): void {
    for (const [id, pair] of this.#open(name)) {
      if (!ids.includes(id)) continue
      if (pair.holder) {
        pair.expiries++
        this.#sum(name).expired++
        this.#tell(id)
      }
      pair.holder = { token, expiresAt }
      this.#sum(name).claimed++
    }
  }

  giveUp(name: string, ids: Set<string>): void {
    for (const id of ids) {
      this.events.get(id)?.pairs.set(name, 'failed')
      this.#sum(name).expired++
      this.#sum(name).failed++
      this.#tell(id, 3)
    }
  }

  /** What a token has, whether or not its time is over. */
  heldBy(name: string, token: string): string[] {
    return this.#open(name).flatMap(([id, { holder }]) => (holder?.token === token ? [id] : []))
  }

  extended(name: string, token: string, expiresAt: number): void {
    for (const [, { holder }] of this.#open(name))
      if (holder?.token === token) holder.expiresAt = expiresAt
  }

  /** When the leases of a subscription end that are not over, by the event. */
  leases(name: string, now: number): Map<string, number> {
    return new Map(
      this.#open(name).flatMap(([id, { holder }]) =>
        holder && holder.expiresAt > now ? [[id, holder.expiresAt] as const] : [],
      ),
    )
  }

  /** @returns what the answer may be: of what is told no more, either */
  settle(name: string, token: string, { event_id, verb, delay }: Said, now: number): string[] {
    const event = this.events.get(event_id)
    if (!event) return ['gone']
    const pair = event.pairs.get(name)
    if (!isOpen(pair) || pair.holder?.token !== token) {
      const did = event.did.get(token) ?? ''
      const same: Record<string, string[]> = {
        ack: ['acked'],
        nack: ['nacked', 'failed'],
        release: ['released'],
      }
      const isSame = same[verb]?.includes(did)
      if (!isSame) return ['lost']
      return event.happened >= TOLD ? ['lost', did] : [did]
    }
    this.#sum(name).settled++
    this.#tell(event_id)
    pair.holder = null
    if (verb === 'ack') event.pairs.delete(name)
    const nacked = verb === 'nack' && this.#nack(event, name, pair, delay, now)
    const outcome = { ack: 'acked', nack: nacked || '', release: 'released' }[verb]
    event.did.set(token, outcome)
    return [outcome]
  }

  /** @returns 200, 404 or 409 */
  operate(
    verb: OperatorVerb,
    id: string,
    name: string | undefined,
    delay: number | undefined,
    now: number,
  ) {
    const event = this.events.get(id)
    if (!event) return 404
    let done = 0
    for (const [own, pair] of event.pairs) {
      if (name !== undefined && own !== name) continue
      if (isOpen(pair) !== (verb !== 'retry')) continue
      done++
      this.#tell(id)
      if (!isOpen(pair)) {
        event.pairs.set(own, { nacks: 0, expiries: 0, visibleAt: now, holder: null })
        continue
      }
      if (pair.holder) {
        event.did.set(pair.holder.token, 'lost')
        this.#tell(id)
      }
      pair.holder = null
      if (verb === 'ack') event.pairs.delete(own)
      else this.#nack(event, own, pair, delay, now)
    }
    return done > 0 ? 200 : 409
  }

  /** @returns 200 or 404 */
  delete(id: string): number {
    return this.events.delete(id) ? 200 : 404
  }

  /** All moments that matter from `now` on. */
  moments(now: number): number[] {
    const open = Object.keys(this.#rules).flatMap((name) => this.#open(name))
    return open
      .map(([, { holder, visibleAt }]) => holder?.expiresAt ?? visibleAt)
      .filter((moment) => moment >= now)
  }

  #nack(
    event: ModelEvent,
    name: string,
    pair: OpenPair,
    delay: number | undefined,
    now: number,
  ): string {
    const { maxAttempts, retrySeconds } = this.#ruleOf(name)
    pair.nacks++
    if (pair.nacks >= maxAttempts) {
      event.pairs.set(name, 'failed')
      this.#sum(name).failed++
      return 'failed'
    }
    const wait = delay ?? retrySeconds[Math.min(pair.nacks, retrySeconds.length) - 1] ?? 0
    // It is rounded up to the second; `now` is never a whole one.
    pair.visibleAt = wait > 0 ? Math.ceil((now + wait * 1_000) / 1_000) * 1_000 : now
    return 'nacked'
  }

  #tell(id: string, items = 1): void {
    const event = this.events.get(id)
    if (event) event.happened += items
  }

  #open(name: string): [string, OpenPair][] {
    return [...this.events].flatMap(([id, { pairs }]) => {
      const pair = pairs.get(name)
      return isOpen(pair) ? [[id, pair] as [string, OpenPair]] : []
    })
  }

  #sum(name: string) {
    const sum = this.sums.get(name)
    if (!sum) throw new Error(`no subscription ${name}`)
    return sum
  }

  #ruleOf(name: string): Rules {
    const rules = this.#rules[name]
    if (!rules) throw new Error(`no subscription ${name}`)
    return rules
  }

  #mostExpiries(name: string): number {
    return Math.max(MIN_EXPIRIES, this.#ruleOf(name).maxAttempts)
  }
}

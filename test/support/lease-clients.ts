import { expect } from 'vitest'
import type { ClaimedEvent, Extended, SettleResult } from '../../client/types'
import { withTimeout } from '../../shared/retry'
import type { Claim, Happening, Operation, SettleVerb } from './lease-history'
import type { clientOf } from './world'

type Client = Pick<ReturnType<typeof clientOf>, 'call'>

/** Whatever goes wrong, a client is told. */
const ANSWER_TIMEOUT_MS = 60_000

/** The subscriptions, and which of them take an event of which colour. */
export const TAKERS: Record<string, string[]> = {
  none: ['inbox'],
  red: ['red'],
  blue: ['blue'],
  both: ['red', 'blue'],
}
export const NAMES = ['inbox', 'red', 'blue']

/** A lease that a consumer was given, which may be over by now. */
interface Held {
  token: string
  ids: string[]
}

/** Consumers and operators that act at random, and write down what they did and what they were answered. */
export class LeaseClients {
  readonly happenings: Happening[] = []
  /** How often each kind of request got each status. */
  readonly answers: Record<string, number> = {}
  /** How many results of each kind were given by settlements. */
  readonly outcomes: Record<string, number> = {}
  /** What the servers' clock is ahead of this one. */
  ahead = 0
  readonly #client: Client
  readonly #random: () => number
  readonly #ids: string[]
  /** Every lease that anybody was ever given. */
  readonly #held: Held[] = []
  /** Events that somebody gave up lately. */
  readonly #failed: string[] = []
  #count = 0

  constructor(client: Client, random: () => number, events: number) {
    this.#client = client
    this.#random = random
    this.#ids = Array.from({ length: events }, (_, index) => `event-${index}`)
  }

  /** The ids of all events. */
  get ids(): readonly string[] {
    return this.#ids
  }

  // Consumers

  /** A consumer claims events, and settles them, or part of them, or dies; or one comes back with an old token. */
  async consume(): Promise<void> {
    if (this.#random() < 0.15) return this.#comeBack()
    const name = this.#oneOf(NAMES)
    const limit = this.#random() < 0.5 ? this.#between(1, 3) : this.#between(1, 20)
    const held = await this.claim(name, {
      limit,
      lease_seconds: this.#between(1, 3),
      ...(this.#random() < 0.1 && { wait_seconds: 1 }),
    })
    if (!held) return
    if (this.#random() < 0.2) return
    if (this.#random() < 0.3) {
      await this.#extend(held)
      if (this.#random() < 0.5) return
    }
    // In one request, or in two.
    const cut = this.#random() < 0.3 ? this.#between(0, held.ids.length) : held.ids.length
    for (const ids of [held.ids.slice(0, cut), held.ids.slice(cut)]) {
      const says = new Map(ids.flatMap((id) => (this.#random() < 0.1 ? [] : [[id, this.#verb()]])))
      if (says.size > 0) await this.settle(held.token, says)
      // Not heard of, or not sure: it says the same once more.
      if (says.size > 0 && this.#random() < 0.2) await this.settle(held.token, says)
    }
  }

  /** Claims, and acks all it was given, until there is nothing. @returns how many */
  async drain(name: string): Promise<number> {
    for (let count = 0; ;) {
      const held = await this.claim(name, { limit: 20, lease_seconds: 60 })
      if (!held) return count
      count += held.ids.length
      await this.settle(held.token, new Map(held.ids.map((id) => [id, 'ack'])))
    }
  }

  async claim(name: string, wish: { limit: number; lease_seconds: number }): Promise<Held | null> {
    const { start, end, isLost, status, body } = await this.#ask<ClaimedEvent[]>(
      'POST',
      '/inbox/claim',
      { subscription: name, ...wish },
    )
    const nothing = { claimedAt: 0, expiresAt: 0, events: [], token: null }
    const own: Claim = { kind: 'claim', start, end, name, ...nothing }
    if (isLost) {
      this.happenings.push(own)
      return null
    }
    expect(status).toBe(200)
    const { data, lease } = body
    expect(data.length).toBeLessThanOrEqual(wish.limit)
    expect(lease === null).toBe(data.length === 0)
    if (!lease) return null
    const { token } = lease
    const expiresAt = Date.parse(lease.expires_at)
    const events = data.map(({ event_id, attempt, payload }) => {
      return { id: event_id, n: Number(payload.n), attempt }
    })
    const claimedAt = expiresAt - wish.lease_seconds * 1_000
    this.happenings.push({ ...own, token, claimedAt, expiresAt, events })
    const held = { token, ids: events.map(({ id }) => id) }
    this.#held.push(held)
    return held
  }

  async settle(token: string, says: Map<string, SettleVerb>): Promise<void> {
    const of = (verb: SettleVerb) => [...says].flatMap(([id, own]) => (own === verb ? [id] : []))
    const nack = of('nack').map((event_id) => {
      const delay_seconds = this.#oneOf([0, 0, 1, undefined])
      return { event_id, error: 'no', ...(delay_seconds !== undefined && { delay_seconds }) }
    })
    const { start, end, isLost, status, body } = await this.#ask<SettleResult[]>(
      'POST',
      `/leases/${token}/settle`,
      { ack: of('ack'), nack, release: of('release') },
    )
    const about = { kind: 'settle', start, end, token, says } as const
    if (isLost) return void this.happenings.push({ ...about, outcomes: null })
    expect([200, 207, 409]).toContain(status)
    const outcomes = new Map(body.data?.map((each) => [each.event_id, each.status]))
    for (const id of says.keys()) {
      const outcome = outcomes.get(id) ?? 'no result'
      this.outcomes[outcome] = (this.outcomes[outcome] ?? 0) + 1
      if (outcome === 'failed') this.#failed.push(id)
    }
    const lost = [...outcomes.values()].filter((each) => each === 'lost' || each === 'gone').length
    const expected = lost === 0 && outcomes.size > 0 ? 200 : lost < outcomes.size ? 207 : 409
    expect(status).toBe(expected)
    this.happenings.push({ ...about, outcomes })
  }

  async #extend({ token }: Held): Promise<void> {
    const lease_seconds = this.#between(1, 3)
    const { start, end, isLost, status, body } = await this.#ask<Extended>(
      'POST',
      `/leases/${token}/extend`,
      { lease_seconds },
    )
    if (!isLost) expect([200, 409]).toContain(status)
    const isDone = status === 200
    this.happenings.push({
      kind: 'extend',
      start,
      end,
      token,
      leaseMs: lease_seconds * 1_000,
      expiresAt: isDone ? Date.parse(body.data.expires_at) : null,
      ids: isLost ? null : isDone ? body.data.event_ids : [],
    })
  }

  /** One who was given events long ago, or just now, says something of them. */
  async #comeBack(): Promise<void> {
    const near = this.#random() < 0.5 ? this.#held.slice(-20) : this.#held
    const held = near[this.#between(0, near.length - 1)]
    if (!held) return
    if (this.#random() < 0.15) return this.#extend(held)
    await this.settle(held.token, new Map(held.ids.map((id) => [id, this.#verb()])))
  }

  // Operators

  /** An operator, or one who posts, does something at random. */
  async operate(): Promise<void> {
    const dice = this.#random()
    if (dice < 0.5) return this.#post()
    const id = this.#oneOf(this.#ids)
    if (dice < 0.68) return this.act('delete', id)
    const name = this.#random() < 0.4 ? this.#oneOf(NAMES) : undefined
    if (dice < 0.77) return this.act('ack', id, name)
    if (dice < 0.9) return this.act('nack', id, name)
    return this.act('retry', this.#failed.pop() ?? id, name)
  }

  async act(kind: Operation['kind'], id: string, name?: string): Promise<void> {
    const isDelete = kind === 'delete'
    const path = `/inbox/${id}${isDelete ? '' : `/${kind}`}`
    const delay_seconds = this.#oneOf([0, 0, 1])
    const body = {
      ...(name !== undefined && { subscription: name }),
      ...(kind === 'nack' && { delay_seconds }),
    }
    const method = isDelete ? 'DELETE' : 'POST'
    const answer = await this.#ask(method, path, isDelete ? undefined : body)
    const { start, end, isLost, status } = answer
    if (!isLost) expect([200, 404, 409]).toContain(status)
    this.happenings.push({ kind, id, name, start, end, status: isLost ? null : status })
  }

  async #post(): Promise<void> {
    const color = this.#oneOf(Object.keys(TAKERS))
    const size = this.#random() < 0.5 ? 1 : this.#between(1, 12)
    const ids = new Set(Array.from({ length: size }, () => this.#oneOf(this.#ids)))
    const later = this.#random() < 0.2 ? this.#random() * 2_000 : null
    const notBefore = later === null ? undefined : Math.ceil(Date.now() + this.ahead + later)
    const not_before = notBefore === undefined ? null : new Date(notBefore).toISOString()
    const events = [...ids].map((event_id) => {
      return { event_id, payload: { n: ++this.#count, color }, not_before }
    })
    const { start, end, isLost, body } = await this.#ask<{ status: string }[]>(
      'POST',
      '/events',
      events,
    )
    for (const [index, { event_id, payload }] of events.entries()) {
      const outcome = isLost ? undefined : body.data[index]?.status
      const isAnswered = outcome === 'accepted' || outcome === 'duplicate'
      this.happenings.push({
        kind: 'post',
        id: event_id,
        n: payload.n,
        names: TAKERS[color] ?? [],
        notBefore,
        start,
        end: isAnswered ? end : Infinity,
        isAccepted: isAnswered ? outcome === 'accepted' : undefined,
      })
    }
  }

  // What both need

  async #ask<Data>(method: string, path: string, body?: unknown) {
    const start = performance.now()
    const asked = this.#client.call<Data>(method, path, body)
    const answer = await withTimeout(asked, ANSWER_TIMEOUT_MS)
    const what = `${method} ${path.replace(/(leases|inbox)\/(?!claim)[^/]+/, '$1/:')} ${answer.status}`
    this.answers[what] = (this.answers[what] ?? 0) + 1
    const isLost = answer.status >= 500
    return { ...answer, start, end: isLost ? Infinity : performance.now(), isLost }
  }

  #verb(): SettleVerb {
    return this.#oneOf(['ack', 'ack', 'nack', 'nack', 'release'])
  }

  #between(least: number, most: number): number {
    return least + Math.floor(this.#random() * (most - least + 1))
  }

  #oneOf<T>(list: readonly T[]): T {
    return list[this.#between(0, list.length - 1)] as T
  }
}

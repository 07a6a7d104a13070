import { existsSync } from 'node:fs'
import { expect, onTestFinished, vi } from 'vitest'
import type { Subscription } from '../../client/types'
import { INBOX_OPTIONS, start, withSchema } from '../../bench/runtime'
import { LeaseModel, type OperatorVerb, type Rules, type Said } from './lease-model'
import type { Steering } from './steered-worker'
import { STEERED_WORKER, steerAt } from './steering'
import { clientOf } from './world'

/** Does random commands to a shard and to the model of `lease-model.ts`, and holds one against the other. */

const RULES: Record<string, Rules> = {
  inbox: { maxAttempts: 3, retrySeconds: [2] },
  red: { maxAttempts: 2, retrySeconds: [1] },
  blue: { maxAttempts: 4, retrySeconds: [0, 3] },
}
export const NAMES = Object.keys(RULES)
/** Who takes an event of which colour. */
const TAKERS: Record<string, string[]> = {
  none: ['inbox'],
  red: ['red'],
  blue: ['blue'],
  both: ['red', 'blue'],
}

const SUBSCRIPTIONS = JSON.stringify(
  NAMES.map((name) => ({
    name,
    ...(name !== 'inbox' && { filter: { 'payload.color': [name, 'both'] } }),
    max_attempts: RULES[name]?.maxAttempts,
    retry_seconds: RULES[name]?.retrySeconds,
  })),
)

/** The steered worker without what the fixture has between it and its clients: this sends thousands of requests. */
export async function steeredInbox() {
  // Nothing has to reach a disk, which would be slow.
  if (existsSync('/dev/shm')) vi.stubEnv('TMPDIR', '/dev/shm')
  const { assets: _, ...options } = INBOX_OPTIONS
  const vars = { SHARD_COUNT: '1', SUBSCRIPTIONS, LOG_LEVEL: 'error' }
  const bindings = { ...options.bindings, ...vars }
  const worker = await start('steered', STEERED_WORKER, { ...options, bindings })
  onTestFinished(() => worker.stop())
  await withSchema(worker)
  return {
    ...clientOf(worker.url),
    steer: (steering: Partial<Steering>) => steerAt(worker.url, steering),
  }
}

type SteeredInbox = Awaited<ReturnType<typeof steeredInbox>>

/** The shard's own clock runs ahead by a millisecond a change. Nothing is due so shortly after a step of the clock. */
const SLACK_MS = 400

export type Command =
  | { kind: 'post'; ids: string[]; color: string; later: number }
  | { kind: 'claim'; name: string; limit: number; lease: number }
  | { kind: 'settle'; which: number; says: { id: string; verb: Said['verb']; delay?: number }[] }
  | { kind: 'settle all'; which: number; verb: Said['verb']; delay: number | undefined }
  | { kind: 'extend'; which: number; lease: number }
  | {
      kind: 'operate'
      verb: OperatorVerb
      id: string
      name: string | undefined
      delay: number | undefined
    }
  | { kind: 'delete'; id: string }
  | { kind: 'step'; seconds: number }
  | { kind: 'wear out'; name: string }
  /** D1 is told of everything, so that bodies come from there. */
  | { kind: 'store' }
  | { kind: 'restart' }

/** Few, so that much happens to each. */
export const IDS = ['a', 'b', 'c']

interface Held {
  token: string
  name: string
}

/** One run of commands, on the real worker and on the model. */
export class Run {
  readonly model = new LeaseModel(RULES)
  readonly #inbox: SteeredInbox
  readonly #prefix: string
  /** What was counted before this run. */
  readonly #before: Map<string, Subscription>
  /** The newest first. */
  readonly #held: Held[] = []
  now: number

  constructor(inbox: SteeredInbox, prefix: string, now: number, before: Map<string, Subscription>) {
    this.#inbox = inbox
    this.#prefix = prefix
    this.#before = before
    this.now = now
  }

  async do(command: Command): Promise<void> {
    const inbox = this.#inbox
    switch (command.kind) {
      case 'post':
        return this.#post(
          command.ids.map((id) => this.#idOf(id)),
          command.color,
          command.later,
        )
      case 'claim':
        return void (await this.claim(command.name, command.limit, command.lease))
      case 'settle':
        return this.#settle(
          command.which,
          command.says.map(({ id, ...said }) => ({ ...said, event_id: this.#idOf(id) })),
        )
      case 'settle all': {
        const held = this.#held[command.which]
        const ids = held ? this.model.heldBy(held.name, held.token) : []
        const { verb, delay } = command
        if (ids.length === 0) return
        return this.#settle(
          command.which,
          ids.map((event_id) => ({ event_id, verb, delay })),
        )
      }
      case 'extend':
        return this.#extend(command.which, command.lease)
      case 'operate':
        return this.#operate(command)
      case 'delete': {
        const own = this.#idOf(command.id)
        const { status } = await inbox.call('DELETE', `/inbox/${own}`)
        return expect(status).toBe(this.model.delete(own))
      }
      case 'step':
        return this.#stepTo(this.now + command.seconds * 1_000)
      case 'wear out':
        for (let turn = 0; turn < 11; turn++) {
          if ((await this.claim(command.name, 100, 1)).length === 0) return
          await this.#stepTo(this.now + 2_000)
        }
        return
      case 'store':
        return expect((await inbox.get('/inbox?limit=1')).status).toBe(200)
      case 'restart':
        await inbox.steer({ faults: { metrics: 'reset' } })
        expect((await inbox.get('/metrics')).status).toBe(503)
        return void (await inbox.steer({ faults: {} }))
    }
  }

  /** The counts of every subscription are what the model says. */
  async expectCounted(): Promise<void> {
    for (const each of await this.#inbox.client.subscriptions()) {
      const { open, ready, leased, scheduled } = each
      const more = (what: 'claimed' | 'settled' | 'expired' | 'failed') =>
        each[what] - (this.#before.get(each.name)?.[what] ?? 0)
      const [claimed, settled] = [more('claimed'), more('settled')]
      const [expired, failed] = [more('expired'), more('failed')]
      const counts = { open, ready, leased, scheduled, claimed, settled, expired, failed }
      const expected = this.model.counts(each.name, this.now)
      expect({ name: each.name, ...counts }).toEqual({ name: each.name, ...expected })
    }
    const last = this.#held[0]
    if (!last) return
    const { leases } = await this.#inbox.subscription(last.name)
    const listed = leases.flatMap(({ event_ids, expires_at }) =>
      event_ids.map((each) => [each, Date.parse(expires_at)] as const),
    )
    expect(new Map(listed)).toEqual(this.model.leases(last.name, this.now))
  }

  /** Each event has the status that follows from its pairs. */
  async expectStatuses(): Promise<void> {
    for (const each of IDS.map((id) => this.#idOf(id))) {
      const { status, body } = await this.#inbox.get(`/inbox/${each}`)
      const found = status === 404 ? null : body.data.status
      expect([each, found]).toEqual([each, this.model.status(each)])
    }
  }

  /** Has everything worked off, so that the next run begins with nothing open. */
  async finish(): Promise<void> {
    await this.#stepTo(this.now + 20_000)
    for (const each of NAMES) {
      for (;;) {
        const ids = await this.claim(each, 100, 60)
        if (ids.length === 0) break
        await this.#settle(
          0,
          ids.map((event_id) => ({ event_id, verb: 'ack' })),
        )
      }
      expect(this.model.counts(each, this.now)).toMatchObject({ open: 0 })
    }
    await this.expectCounted()
  }

  async claim(name: string, wish: number, lease: number): Promise<string[]> {
    const { attempts, wornOut } = this.model.claimable(name, this.now)
    // It looks at so many; how many of them it gives up instead is known only when that is all.
    const limit = wornOut.size > 0 ? 100 : wish
    const { status, body } = await this.#inbox.claim({
      subscription: name,
      limit,
      lease_seconds: lease,
    })
    expect(status).toBe(200)
    const ids = body.data.map(({ event_id }) => event_id)
    const found = body.data.map((each) => [each.event_id, each.attempt, each.payload.n])
    const expected = ids.map((each) => [each, attempts.get(each), this.model.events.get(each)?.n])
    expect(found).toEqual(expected)
    expect(new Set(ids).size).toBe(Math.min(limit, attempts.size))
    expect(ids.length).toBe(new Set(ids).size)
    this.model.giveUp(name, wornOut)
    const { lease: given } = body
    expect(given !== null).toBe(ids.length > 0)
    if (!given) return ids
    const expiresAt = Date.parse(given.expires_at)
    this.#expectSoonAfter(expiresAt, this.now + lease * 1_000)
    this.model.claimed(name, ids, given.token, expiresAt)
    this.#held.unshift({ token: given.token, name })
    return ids
  }

  #idOf(id: string): string {
    return `${this.#prefix}-${id}`
  }

  async #post(ids: string[], color: string, later: number): Promise<void> {
    const at = this.now + later * 1_000
    // It is rounded up to the second.
    const visibleAt = Math.ceil(at / 1_000) * 1_000
    const not_before = later === 0 ? undefined : new Date(at).toISOString()
    const events = ids.map((event_id) => {
      const n = this.model.post(event_id, TAKERS[color] ?? [], later > 0 ? visibleAt : this.now)
      return { event_id, payload: { color, n }, not_before }
    })
    const { body } = await this.#inbox.call<{ status: string }[]>('POST', '/events', events)
    const expected = events.map(({ payload }) => (payload.n === null ? 'duplicate' : 'accepted'))
    expect(body.data.map(({ status }) => status)).toEqual(expected)
  }

  async #settle(which: number, says: Said[]): Promise<void> {
    const held = this.#held[which]
    if (!held) return
    const of = (wanted: Said['verb']) => says.filter((said) => said.verb === wanted)
    const ids = (wanted: Said['verb']) => of(wanted).map(({ event_id }) => event_id)
    const { status, body } = await this.#inbox.settle(held.token, {
      ack: ids('ack'),
      nack: of('nack').map(({ event_id, delay }) => ({
        event_id,
        error: 'no',
        ...(delay !== undefined && { delay_seconds: delay }),
      })),
      release: ids('release'),
    })
    const found = new Map(body.data.map((each) => [each.event_id, each.status]))
    expect(found.size).toBe(says.length)
    const isLost = (outcome: string | undefined) => outcome === 'lost' || outcome === 'gone'
    for (const said of says) {
      const outcomes = this.model.settle(held.name, held.token, said, this.now)
      const outcome = found.get(said.event_id)
      expect({ ...said, outcome, outcomes }).toEqual({
        ...said,
        outcome: outcomes.find((each) => each === outcome) ?? outcomes[0],
        outcomes,
      })
    }
    const lost = [...found.values()].filter(isLost).length
    expect(status).toBe(lost === 0 ? 200 : lost < says.length ? 207 : 409)
  }

  async #extend(which: number, lease: number): Promise<void> {
    const held = this.#held[which]
    if (!held) return
    const ids = this.model.heldBy(held.name, held.token)
    const { status, body } = await this.#inbox.extend(held.token, lease)
    expect(status).toBe(ids.length > 0 ? 200 : 409)
    if (status !== 200) return
    expect(body.data.event_ids.toSorted()).toEqual(ids.toSorted())
    const expiresAt = Date.parse(body.data.expires_at)
    this.#expectSoonAfter(expiresAt, this.now + lease * 1_000)
    this.model.extended(held.name, held.token, expiresAt)
  }

  async #operate({ verb, id, name, delay }: Command & { kind: 'operate' }): Promise<void> {
    const own = this.#idOf(id)
    const isNack = verb === 'nack'
    const body = {
      ...(name !== undefined && { subscription: name }),
      ...(isNack && delay !== undefined && { delay_seconds: delay }),
    }
    const { status } = await this.#inbox.call('POST', `/inbox/${own}/${verb}`, body)
    const expected = this.model.operate(verb, own, name, isNack ? delay : undefined, this.now)
    expect([verb, own, status]).toEqual([verb, own, expected])
  }

  #expectSoonAfter(moment: number, expected: number): void {
    expect(moment).toBeGreaterThanOrEqual(expected)
    expect(moment).toBeLessThan(expected + SLACK_MS)
  }

  /** Moves the clock on, to where nothing is due for a while. */
  async #stepTo(moment: number): Promise<void> {
    const due = [...this.model.moments(moment)]
    let now = moment
    for (;;) {
      const second = Math.ceil(now / 1_000) * 1_000
      const next = [...due, second].find((each) => each >= now && each < now + SLACK_MS)
      if (next === undefined) break
      now = next + 1
    }
    this.now = now
    await this.#inbox.steer({ clockStands: true, standAt: now })
  }

  async start(): Promise<this> {
    await this.#stepTo(this.now)
    return this
  }
}

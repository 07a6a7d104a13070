import { expect } from 'vitest'
import type { EventPage, InboxEvent, Metrics } from '../../client/types'
import { withTimeout } from '../../shared/retry'
import { Histories, made, nacked, sameIf, type Status, type Step, STEPS } from './chaos-histories'
import { ChaosIds } from './chaos-ids'
import type { Operation } from './history'
import type { clientOf } from './world'

type Client = ReturnType<typeof clientOf>

interface Entry {
  event_id: string
  status: string
  event_status?: Status
  error?: { code: string }
}

/** Why an event of a batch was not taken: no shard answered, or the worker has not heard of the last SHARD_COUNT. */
const NOT_TAKEN = ['UNAVAILABLE', 'NOT_CONFIGURED']
/** Whatever goes wrong, a client is told. */
const ANSWER_TIMEOUT_MS = 60_000

/** Clients that post, change and read events at random, and write down what they were answered. */
export class Clients {
  /** What was done to each event. */
  readonly histories = new Histories()
  /** How often each kind of request got each status. */
  readonly answers: Record<string, number> = {}
  /** What was answered as done, and what may have been done without an answer. */
  readonly tally = { posts: 0, lostPosts: 0, acks: 0, lostAcks: 0 }
  readonly #client: Client
  readonly #random: () => number
  readonly #mostNacks: number
  readonly #accepted = new Set<string>()
  readonly #mayBeGone = new Set<string>()
  readonly #keys = new Map<string, { payload: { n: number }; event_id?: string }>()
  readonly #ids: ChaosIds
  #failed: string[] = []

  constructor(client: Client, random: () => number, mostNacks: number) {
    this.#client = client
    this.#random = random
    this.#ids = new ChaosIds(random, (id) => this.histories.countOf(id))
    this.#mostNacks = mostNacks
  }

  /** One request at random. */
  act(): Promise<void> {
    const acts: [weight: number, () => Promise<void>][] = [
      [24, () => this.#post([this.#ids.any()])],
      [6, () => this.#post(this.#ids.some(12))],
      [6, () => this.#postKeyed(`key-${this.#ids.between(1, this.#keys.size + 2)}`)],
      [12, () => this.#move('ack', this.#ids.open())],
      [24, () => this.#move('nack', this.#ids.open())],
      [8, () => this.#move('retry', this.#failed.shift() ?? this.#ids.open())],
      [4, () => this.#move('delete', this.#ids.open())],
      [8, async () => void (await this.read(this.#ids.open()))],
      [4, () => this.#ackMany(this.#ids.some(8))],
      [2, () => this.#redriveSome(this.#ids.some(8))],
      [1, () => this.redriveAll({ reason: 'no' })],
      [3, () => this.#list()],
      [4, () => this.#readMetrics()],
    ]
    let dice = this.#random() * acts.reduce((sum, [weight]) => sum + weight, 0)
    const [, act] = acts.find(([weight]) => (dice -= weight) < 0) ?? acts[0] ?? []
    return act?.() ?? Promise.resolve()
  }

  /** Sends what was never answered again, until it is. */
  async settle(): Promise<void> {
    for (const [key, { event_id }] of this.#keys) if (!event_id) await this.#postKeyed(key)
  }

  // Writing down

  async #ask<Data>(what: string, path: string, body?: unknown, headers?: Record<string, string>) {
    const start = performance.now()
    const method = what === 'read' ? 'GET' : what === 'delete' ? 'DELETE' : 'POST'
    const asked = this.#client.call<Data>(method, path, body, headers)
    const answer = await withTimeout(asked, ANSWER_TIMEOUT_MS)
    const name = `${what} ${answer.status}`
    this.answers[name] = (this.answers[name] ?? 0) + 1
    const isLost = answer.status >= 500
    return { ...answer, start, end: isLost ? Infinity : performance.now(), isLost }
  }

  // Requests

  async #post(ids: string[]): Promise<void> {
    // Those that a key made come by their key.
    const own = ids.map((id) => (id.startsWith('idempotency-key-') ? this.#ids.fresh() : id))
    const events = own.map((event_id) => {
      const refuse = event_id.startsWith('refused')
      // Too large to be bound together with others.
      const filler = this.#random() < 0.003 ? 'x'.repeat(510_000) : ''
      return { event_id, payload: { n: this.#ids.number(), refuse, filler } }
    })
    const isBatch = events.length > 1
    const body = isBatch ? events : events[0]
    const { start, end, ...answer } = await this.#ask<Entry[]>('post', '/events', body)
    for (const [index, { event_id, payload }] of events.entries()) {
      const single = { 202: 'accepted', 409: 'duplicate' }[answer.status]
      const entry = isBatch && !answer.isLost ? answer.body.data[index] : undefined
      const outcome = isBatch ? entry?.status : single
      const first = entry?.event_status ?? answer.body.event_status
      const answered = outcome === 'accepted' || outcome === 'duplicate'
      if (!answered && !answer.isLost) expect(NOT_TAKEN).toContain(entry?.error?.code)
      if (outcome === 'accepted') this.#accepted.add(event_id)
      if (outcome === 'accepted') this.tally.posts++
      if (!answered) this.tally.lostPosts++
      this.histories.note(event_id, {
        what: `post ${payload.n}: ${outcome} ${first ?? ''}`,
        start,
        end: answered ? end : Infinity,
        answered,
        step: (before) =>
          outcome === 'duplicate'
            ? sameIf(before.status === first, before)
            : made(before, payload.n),
      })
    }
  }

  /** An event without an id of its own, sent again until it is answered. */
  async #postKeyed(key: string): Promise<void> {
    const known = this.#keys.get(key) ?? { payload: { n: this.#ids.number() } }
    this.#keys.set(key, known)
    const { payload } = known
    const tries: Operation[] = []
    for (let tried = 0; tried < 20; tried++) {
      const headers = { 'Idempotency-Key': key }
      const answer = await this.#ask<Entry>('post', '/events', { payload }, headers)
      const { start, end, isLost } = answer
      const isReplayed = answer.headers.has('Idempotency-Replayed')
      tries.push({
        what: `post with ${key}: ${answer.status} ${isReplayed ? 'replayed' : ''}`,
        start,
        end,
        answered: !isLost,
        step: (before) =>
          isReplayed ? sameIf(before.status !== 'absent', before) : made(before, payload.n),
      })
      if (isLost) this.tally.lostPosts++
      if (isLost) continue
      expect(answer.status).toBe(202)
      if (!isReplayed) this.tally.posts++
      const { event_id } = answer.body.data
      known.event_id = event_id
      this.#accepted.add(event_id)
      if (this.histories.countOf(event_id) === 0) this.#ids.add(event_id)
      break
    }
    if (known.event_id) for (const each of tries) this.histories.note(known.event_id, each)
  }

  async #move(verb: 'ack' | 'nack' | 'retry' | 'delete', id: string): Promise<void> {
    if (verb === 'ack' || verb === 'delete') this.#mayBeGone.add(id)
    const path = `/inbox/${id}${verb === 'delete' ? '' : `/${verb}`}`
    const body = verb === 'nack' ? { error: 'no' } : undefined
    const { start, end, isLost, status, ...answer } = await this.#ask<Entry>(verb, path, body)
    const present = answer.body.event_status
    const found = answer.body.data?.status
    if (!isLost) expect([200, 404, 409]).toContain(status)
    if (verb === 'ack' && isLost) this.tally.lostAcks++
    if (found === 'failed') this.#failed.push(id)
    if (verb === 'ack' && status === 200) this.tally.acks++
    const effect = verb === 'nack' ? nacked(this.#mostNacks, found) : STEPS[verb]
    this.histories.note(id, {
      what: `${verb}: ${status} ${found ?? present ?? ''}`,
      start,
      end,
      answered: !isLost,
      step: (before) => {
        if (status === 404) return sameIf(before.status === 'absent', before)
        if (status === 409) return sameIf(before.status === present && !effect(before), before)
        return effect(before)
      },
    })
  }

  async #ackMany(ids: string[]): Promise<void> {
    for (const id of ids) this.#mayBeGone.add(id)
    const body = { event_ids: ids }
    const { start, end, ...answer } = await this.#ask<Entry[]>('ack', '/inbox/ack', body)
    for (const [index, id] of ids.entries()) {
      const entry = answer.isLost ? undefined : answer.body.data[index]
      const outcome = entry?.error?.code ?? entry?.status ?? 'UNAVAILABLE'
      const answered = !NOT_TAKEN.includes(outcome)
      const steps: Record<string, Step> = {
        delivered: STEPS.ack,
        UNAVAILABLE: STEPS.ack,
        NOT_CONFIGURED: STEPS.ack,
        EVENT_NOT_FOUND: (before) => sameIf(before.status === 'absent', before),
        STATUS_CONFLICT: (before) =>
          sameIf(before.status !== 'absent' && before.status !== 'pending', before),
      }
      const step = steps[outcome]
      if (!step) throw new Error(`an ack was answered ${JSON.stringify(entry)}`)
      if (outcome === 'delivered') this.tally.acks++
      if (!answered) this.tally.lostAcks++
      const what = `ack with others: ${outcome}`
      this.histories.note(id, { what, start, end: answered ? end : Infinity, answered, step })
    }
  }

  async #redriveSome(ids: string[]): Promise<void> {
    const body = { event_ids: ids }
    const answer = await this.#ask<{ redriven: number }>('redrive', '/dlq/retry', body)
    const { start, end, isLost } = answer
    const redriven = isLost ? undefined : answer.body.data.redriven
    const answered = redriven === ids.length || redriven === 0
    const what = `redrive with others: ${redriven} of ${ids.length}`
    const step: Step = (before) =>
      redriven === 0 ? sameIf(before.status !== 'failed', before) : STEPS.retry(before)
    for (const id of ids) this.histories.note(id, { what, start, end, answered, step })
  }

  /** Whatever dead letters there are. @returns whether it was answered */
  async redriveAll(which: { reason: string } | { all: true }): Promise<void> {
    const { start, end } = await this.#ask('redrive', '/dlq/retry', which)
    const step = STEPS.retry
    this.histories.noteOnAll({
      what: 'redrive of all',
      start,
      end,
      answered: false,
      repeats: true,
      step,
    })
  }

  /** Has delivered events removed by `prune`. */
  async prune(prune: () => Promise<unknown>): Promise<void> {
    const what = 'pruning'
    const operation = { what, start: performance.now(), end: Infinity, answered: false }
    const pruning: Operation = { ...operation, repeats: true, step: STEPS.prune }
    this.histories.noteOnAll(pruning)
    const end = () => void (pruning.end = performance.now())
    await prune().then(end, () => {})
  }

  /** Reads an event. */
  async read(id: string): Promise<InboxEvent | undefined> {
    const { start, end, isLost, status, body } = await this.#ask<InboxEvent>('read', `/inbox/${id}`)
    if (isLost) return undefined
    expect([200, 404]).toContain(status)
    const event = status === 200 ? body.data : undefined
    this.histories.noteSeen(id, 'read', start, end, event)
    return event
  }

  /** Lists all: what was accepted before is in it, but for as many events as it says. */
  async #list(): Promise<void> {
    const before = [...this.#accepted].filter((id) => !this.#mayBeGone.has(id))
    const found = new Map<string, InboxEvent>()
    const start = performance.now()
    let [unstored, stale] = [0, 0]
    for (let cursor: string | null = ''; cursor !== null;) {
      const query: string = cursor && `&cursor=${cursor}`
      const { isLost, body } = await this.#ask<InboxEvent[]>('read', `/inbox?limit=1000${query}`)
      if (isLost) return
      const page: EventPage = body
      unstored = Math.max(unstored, body.unstored)
      stale = Math.max(stale, page.stale ?? Infinity)
      for (const event of page.data) {
        expect(found.has(event.event_id) && 'twice in a listing').toBe(false)
        found.set(event.event_id, event)
      }
      cursor = page.next_cursor
    }
    const missing = before.filter((id) => !found.has(id) && !this.#mayBeGone.has(id))
    expect(missing.length).toBeLessThanOrEqual(unstored)
    // Then all that is listed is as it was at some moment since.
    if (stale > 0) return
    for (const [id, event] of found)
      if (this.#ids.isOpen(id)) this.histories.noteSeen(id, 'list', start, performance.now(), event)
  }

  async #readMetrics(): Promise<void> {
    const { isLost, body } = await this.#ask<Metrics>('read', '/metrics?detail=shards')
    if (isLost) return
    const { shards = [], ...all } = body.data
    for (const each of [all, ...shards])
      expect(each.total).toBe(each.pending + each.delivered + each.failed)
    for (const name of ['total', 'pending', 'delivered', 'failed'] as const)
      expect(all[name]).toBe(shards.reduce((sum, each) => sum + each[name], 0))
  }
}

import { expect } from 'vitest'
import { withTimeout } from '../../shared/retry'
import type { Operation, State } from './history'
import type { clientOf, InboxEvent } from './world'

type Client = ReturnType<typeof clientOf>
type Step = Operation['step']
type Status = State['status']

interface Entry {
  event_id: string
  status: string
  event_status?: Status
  error?: { code: string }
}

interface Page {
  data: InboxEvent[]
  next_cursor: string | null
  unstored: number
  stale?: number
}

interface Counts {
  total: number
  pending: number
  delivered: number
  failed: number
}

/** Why an event of a batch was not taken: a shard did not answer, or the worker has not heard of the last SHARD_COUNT. */
const NOT_TAKEN = ['UNAVAILABLE', 'NOT_CONFIGURED']
/** So many operations on an event, then its clients leave it alone. */
const MOST_OPERATIONS = 10
const OPEN_EVENTS = 30
/** Whatever goes wrong, a client is told. */
const ANSWER_TIMEOUT_MS = 60_000

const to = (status: Status, from: Status[]): Step => {
  return (before) => (from.includes(before.status) ? { ...before, status } : null)
}
const STEPS: Record<'ack' | 'retry' | 'delete' | 'refuse' | 'prune', Step> = {
  ack: to('delivered', ['pending']),
  retry: (before) =>
    before.status === 'failed' ? { ...before, status: 'pending', nacks: 0 } : null,
  delete: to('absent', ['pending', 'delivered', 'failed']),
  prune: to('absent', ['delivered']),
  refuse: to('failed', ['pending']),
}

/** Clients that post, change and read events at random, and write down what they were answered. */
export class Clients {
  /** What was done to each event. */
  readonly histories = new Map<string, Operation[]>()
  /** How often each kind of request got each status. */
  readonly answers: Record<string, number> = {}
  /** What was answered as done, and what may have been done without an answer. */
  readonly tally = { posts: 0, lostPosts: 0, acks: 0, lostAcks: 0 }
  readonly #client: Client
  readonly #random: () => number
  readonly #mostNacks: number
  /** Operations on whatever event they find. */
  readonly #onAll: Operation[] = []
  readonly #accepted = new Set<string>()
  readonly #mayBeGone = new Set<string>()
  readonly #keys = new Map<string, { payload: { n: number }; event_id?: string }>()
  #open: string[] = []
  #failed: string[] = []
  #count = 0

  constructor(client: Client, random: () => number, mostNacks: number) {
    this.#client = client
    this.#random = random
    this.#mostNacks = mostNacks
  }

  /** One request at random. */
  act(): Promise<void> {
    const acts: [weight: number, () => Promise<void>][] = [
      [24, () => this.#post([this.#anId()])],
      [6, () => this.#post(this.#someIds(12))],
      [6, () => this.#postKeyed(`key-${this.#between(1, this.#keys.size + 2)}`)],
      [12, () => this.#move('ack', this.#openId())],
      [24, () => this.#move('nack', this.#openId())],
      [8, () => this.#move('retry', this.#failed.shift() ?? this.#openId())],
      [4, () => this.#move('delete', this.#openId())],
      [8, async () => void (await this.read(this.#openId()))],
      [4, () => this.#ackMany(this.#someIds(8))],
      [2, () => this.#redriveSome(this.#someIds(8))],
      [1, () => this.redriveAll({ reason: 'no' })],
      [3, () => this.#list()],
      [4, () => this.#readMetrics()],
    ]
    let dice = this.#random() * acts.reduce((sum, [weight]) => sum + weight, 0)
    const [, act] = acts.find(([weight]) => (dice -= weight) < 0) ?? acts[0] ?? []
    return act?.() ?? Promise.resolve()
  }

  /** All operations on an event, and those on whatever they find. */
  historyOf(id: string): Operation[] {
    const own = this.histories.get(id) ?? []
    const since = Math.min(...own.map(({ start }) => start))
    return [...own, ...this.#onAll.filter(({ end }) => end > since)]
  }

  /** Sends what was never answered again, until it is. */
  async settle(): Promise<void> {
    for (const [key, { event_id }] of this.#keys) if (!event_id) await this.#postKeyed(key)
  }

  // Ids

  #between(least: number, most: number): number {
    return least + Math.floor(this.#random() * (most - least + 1))
  }

  #newId(): string {
    // D1 refuses some.
    const id = `${this.#random() < 0.15 ? 'refused' : 'plain'}-${++this.#count}`
    this.#open.push(id)
    return id
  }

  #openId(): string {
    const isOpen = (id: string) => (this.histories.get(id)?.length ?? 0) < MOST_OPERATIONS
    this.#open = this.#open.filter(isOpen).slice(-OPEN_EVENTS)
    return this.#open[this.#between(0, this.#open.length - 1)] ?? this.#newId()
  }

  #anId(): string {
    return this.#random() < 0.6 ? this.#newId() : this.#openId()
  }

  #someIds(most: number): string[] {
    return [...new Set(Array.from({ length: this.#between(1, most) }, () => this.#anId()))]
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

  #note(id: string, operation: Operation): void {
    const history = this.histories.get(id) ?? []
    this.histories.set(id, history)
    if (history.length === 0 && id.startsWith('refused')) {
      const always = { start: 0, end: Infinity, answered: false, repeats: true }
      history.push({ what: 'D1 may have refused it', ...always, step: STEPS.refuse })
    }
    history.push(operation)
  }

  // Requests

  async #post(ids: string[]): Promise<void> {
    // Those that a key made come by their key.
    const own = ids.map((id) => (id.startsWith('idempotency-key-') ? this.#newId() : id))
    const events = own.map((event_id) => {
      const refuse = event_id.startsWith('refused')
      // Too large to be bound together with others.
      const filler = this.#random() < 0.003 ? 'x'.repeat(510_000) : ''
      return { event_id, payload: { n: ++this.#count, refuse, filler } }
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
      this.#note(event_id, {
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
    const known = this.#keys.get(key) ?? { payload: { n: ++this.#count } }
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
      if (!this.histories.has(event_id)) this.#open.push(event_id)
      break
    }
    if (known.event_id) for (const each of tries) this.#note(known.event_id, each)
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
    const effect = verb === 'nack' ? this.#nacked(found) : STEPS[verb]
    this.#note(id, {
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

  /** @param found the status it was answered with, when it was */
  #nacked(found: string | undefined): Step {
    return (before) => {
      if (before.status !== 'pending') return null
      const nacks = before.nacks + 1
      const status = nacks >= this.#mostNacks ? 'failed' : 'pending'
      return found === undefined || found === status ? { ...before, status, nacks } : null
    }
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
      this.#note(id, { what, start, end: answered ? end : Infinity, answered, step })
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
    for (const id of ids) this.#note(id, { what, start, end, answered, step })
  }

  /** Whatever dead letters there are. @returns whether it was answered */
  async redriveAll(which: { reason: string } | { all: true }): Promise<void> {
    const { start, end } = await this.#ask('redrive', '/dlq/retry', which)
    const step = STEPS.retry
    this.#onAll.push({ what: 'redrive of all', start, end, answered: false, repeats: true, step })
  }

  /** Has delivered events removed by `prune`. */
  async prune(prune: () => Promise<unknown>): Promise<void> {
    const what = 'pruning'
    const operation = { what, start: performance.now(), end: Infinity, answered: false }
    const pruning: Operation = { ...operation, repeats: true, step: STEPS.prune }
    this.#onAll.push(pruning)
    const end = () => void (pruning.end = performance.now())
    await prune().then(end, () => {})
  }

  /** Reads an event. */
  async read(id: string): Promise<InboxEvent | undefined> {
    const { start, end, isLost, status, body } = await this.#ask<InboxEvent>('read', `/inbox/${id}`)
    if (isLost) return undefined
    expect([200, 404]).toContain(status)
    const event = status === 200 ? body.data : undefined
    this.#noteSeen(id, 'read', start, end, event)
    return event
  }

  #noteSeen(id: string, how: string, start: number, end: number, event?: InboxEvent): void {
    const status = event?.status ?? 'absent'
    const n = event?.payload.n
    const isSeen = (state: State) =>
      state.status === status && (status === 'absent' || state.n === n)
    this.#note(id, {
      what: `${how}: ${status} ${String(n)}`,
      start,
      end,
      answered: true,
      step: (before) => sameIf(isSeen(before), before),
    })
  }

  /** Lists all: what was accepted before is in it, but for as many events as it says. */
  async #list(): Promise<void> {
    const before = [...this.#accepted].filter((id) => !this.#mayBeGone.has(id))
    const found = new Map<string, InboxEvent>()
    const start = performance.now()
    let [unstored, stale] = [0, 0]
    for (let cursor: string | null = ''; cursor !== null;) {
      const query = cursor && `&cursor=${cursor}`
      const { isLost, body } = await this.#ask('read', `/inbox?limit=1000${query}`)
      if (isLost) return
      const page = body as unknown as Page
      unstored = Math.max(unstored, page.unstored)
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
      if (this.#open.includes(id)) this.#noteSeen(id, 'list', start, performance.now(), event)
  }

  async #readMetrics(): Promise<void> {
    const { isLost, body } = await this.#ask<Counts & { shards: Counts[] }>(
      'read',
      '/metrics?detail=shards',
    )
    if (isLost) return
    const { shards, ...all } = body.data
    for (const each of [all, ...shards])
      expect(each.total).toBe(each.pending + each.delivered + each.failed)
    for (const name of ['total', 'pending', 'delivered', 'failed'] as const)
      expect(all[name]).toBe(shards.reduce((sum, each) => sum + each[name], 0))
  }
}

function sameIf(holds: boolean, state: State): State | null {
  return holds ? state : null
}

function made(before: State, n: number): State | null {
  return before.status === 'absent' ? { status: 'pending', n, nacks: 0 } : null
}

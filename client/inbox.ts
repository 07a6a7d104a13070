import { consumeAll, type ConsumeOptions, type Handler } from './consume.ts'
import { InboxError } from './error.ts'
import { type Ask, type AskInbox, askerOf, type InboxOptions } from './http.ts'
import { newId } from './id.ts'
import { type ConsumedEvent, iterate } from './iterate.ts'
import { type SendOptions, sendAll } from './send.ts'
import type * as T from './types.ts'

type Options = T.RequestOptions
type Act = Options & {
  /** One of the event's subscriptions; otherwise all in which it can be done. */
  subscription?: string | undefined
}

/**
 * An inbox, over HTTP. What failed in passing is repeated where that does no harm; then an `InboxError` is thrown.
 * @example const inbox = new Inbox({ url: 'http://localhost:8787', token: 'dev-token' })
 */
export class Inbox implements T.Leases {
  readonly #ask: AskInbox
  readonly #repeats: number | undefined

  constructor(options: InboxOptions) {
    this.#repeats = options.repeats
    this.#ask = askerOf(options)
  }

  /**
   * Sends one event, or many in as many batches as they need. Each gets an id unless it has one, so that one that is
   * sent again after a lost answer is there once. A string is the JSON of an event, and is kept to the byte.
   * @returns a result each, in order. One event that is rejected throws. So does a refusal of all, such as of the
   * token; once some were sent, the others are `rejected` with its code instead
   */
  send(event: T.NewEvent | string, options?: SendOptions): Promise<T.SendResult>
  send(events: readonly (T.NewEvent | string)[], options?: SendOptions): Promise<T.SendResult[]>
  async send(
    events: T.NewEvent | string | readonly (T.NewEvent | string)[],
    options: SendOptions = {},
  ): Promise<T.SendResult | T.SendResult[]> {
    const repeats = this.#repeats
    if (isList(events)) return sendAll(this.#ask, events, { ...options, repeats })
    let refused: InboxError | undefined
    const onRefused = (error: InboxError) => (refused = error)
    const [result] = await sendAll(this.#ask, [events], { ...options, repeats, onRefused })
    if (result?.status === 'rejected') {
      const { error } = result
      // A batch that holds nothing else is a 400, whatever is wrong with its event.
      const status = error.code === 'CONTENT_TOO_LARGE' ? 413 : (refused?.status ?? 400)
      throw new InboxError(status, { ...refused?.problem, ...error })
    }
    return result as T.SendResult
  }

  /** Works on events until `signal` is aborted. One is acked when its handler ends, and nacked when that throws. */
  consume(options: ConsumeOptions, handler: Handler): Promise<void>
  /** Gives events to a loop. One is acked when the next is asked for; leaving the loop nacks the one at hand. */
  consume(options?: ConsumeOptions): AsyncGenerator<ConsumedEvent, void, undefined>
  consume(options: ConsumeOptions = {}, handler?: Handler) {
    return handler ? consumeAll(this, options, handler) : iterate(this, options)
  }

  /** @returns a page of events, newest first; with `body: 'preview'` only the beginnings of their bodies */
  list(filter: T.PreviewFilter, options?: Options): Promise<T.PreviewPage>
  list(filter?: T.Filter, options?: Options): Promise<T.EventPage>
  list(filter: T.Filter | T.PreviewFilter = {}, options?: Options): Promise<unknown> {
    return this.#ask('GET', `/inbox${queryOf(filter)}`, options)
  }

  /** Goes through all events that a filter finds, page by page. */
  async *all(filter: T.Filter = {}, options?: Options): AsyncGenerator<T.InboxEvent, void> {
    let next: T.Filter | null = { count: false, limit: 1_000, ...filter }
    while (next) {
      const { data, next_cursor }: T.EventPage = await this.list(next, options)
      yield* data
      const { offset: _, ...rest }: T.Filter = next
      next = next_cursor ? { ...rest, cursor: next_cursor } : null
    }
  }

  async get(id: string, options?: Options): Promise<T.InboxEvent> {
    return this.#data('GET', pathOf(id), options)
  }

  /** @returns an event with what happened to it, when, by whom and why; with `body: 'none'` without its body */
  timeline(id: string, options: Options & { body: 'none' }): Promise<T.EventTimeline>
  timeline(id: string, options?: Options): Promise<T.EventWithTimeline>
  timeline(id: string, { body = 'full', ...options }: Options & { body?: string } = {}) {
    return this.#data<T.EventWithTimeline>(
      'GET',
      `${pathOf(id)}?include=timeline&body=${body}`,
      options,
    )
  }

  ack(id: string, { signal, ...body }: Act = {}): Promise<T.Moved> {
    return this.#move(id, 'ack', 'acked', { body, signal })
  }

  /** Acks many events in one request. @returns a result each */
  ackMany(event_ids: readonly string[], options?: Options): Promise<T.AckResult[]> {
    return this.#data('POST', '/inbox/ack', { body: { event_ids }, ...options })
  }

  /** Says that an event could not be worked on. It comes again, after `delay_seconds` if they are given. */
  async nack(
    id: string,
    { signal, ...body }: Act & { error?: string; delay_seconds?: number } = {},
  ): Promise<T.Moved> {
    const headers = { 'Idempotency-Key': newId() }
    return this.#data('POST', `${pathOf(id)}/nack`, { body, headers, signal })
  }

  /** Makes a failed event pending again. */
  retry(id: string, { signal, ...body }: Act = {}): Promise<T.Moved> {
    return this.#move(id, 'retry', 'retried', { body, signal })
  }

  async delete(id: string, options: Options = {}): Promise<void> {
    const { ask, isMaybeDone } = watched(options)
    try {
      await this.#ask('DELETE', pathOf(id), ask)
    } catch (error) {
      if (!isMaybeDone(error, 'EVENT_NOT_FOUND')) throw error
    }
  }

  /** @returns the counts; with `chart` also what happened in each hour of the last day or month */
  metrics({
    signal,
    verify,
    ...more
  }: Options & { detail?: 'shards'; chart?: T.Chart; verify?: boolean } = {}): Promise<T.Metrics> {
    const query = queryOf({ ...more, ...(verify && { verify: 1 }) })
    // A recount reads every row.
    return this.#data('GET', `/metrics${query}`, { signal, ...(verify && { timeoutMs: 300_000 }) })
  }

  deadLetters({
    signal,
    ...page
  }: Options &
    T.LetterFilter & { limit?: number; offset?: number } = {}): Promise<T.DeadLetterPage> {
    return this.#ask('GET', `/dlq${queryOf(page)}`, { signal })
  }

  /** @returns the reasons of dead letters, those first that most letters have */
  deadLetterReasons({
    signal,
    ...filter
  }: Options & Omit<T.LetterFilter, 'reason'> = {}): Promise<T.DeadLetterReasons> {
    return this.#ask('GET', `/dlq${queryOf({ group: 'reason', ...filter })}`, { signal })
  }

  /**
   * Makes dead letters pending again: those of some ids, with one reason, or all. It is never repeated: that would
   * count anew, and take what has failed since.
   */
  redrive(which: T.RedriveWish, options?: Options): Promise<T.Redriven> {
    // It goes on until none is left.
    const long = { repeats: 0, timeoutMs: 300_000 }
    return this.#data('POST', '/dlq/retry', { body: which, ...options, ...long })
  }

  /** @returns the name of the token, and what it may do */
  whoami(options?: Options): Promise<T.Caller> {
    return this.#data('GET', '/whoami', options)
  }

  /** @returns the URL of each source, and how to set its sender up */
  sources(options?: Options): Promise<T.Source[]> {
    return this.#data('GET', '/sources', options)
  }

  subscriptions(options?: Options): Promise<T.Subscription[]> {
    return this.#data('GET', '/subscriptions', options)
  }

  /** @returns one subscription, with who holds what until when */
  async subscription(name: string, options?: Options): Promise<T.SubscriptionWithLeases> {
    return this.#data('GET', `/subscriptions/${segmentOf(name)}`, options)
  }

  /** Leases events. It is never repeated: a claim whose answer is lost holds its events until that lease ends. */
  claim(wish: T.Claim = {}, { signal }: Options = {}): Promise<T.Claimed> {
    const timeoutMs = ((wish.wait_seconds ?? 0) + 10) * 1_000
    return this.#ask('POST', '/inbox/claim', { body: wish, signal, repeats: 0, timeoutMs })
  }

  /** Lets a lease end so many seconds from now. @returns also the ids that it still holds */
  async extend(
    token: string,
    lease_seconds: number,
    options?: T.ExtendOptions,
  ): Promise<T.Extended> {
    const path = `/leases/${segmentOf(token)}/extend`
    return this.#data('POST', path, { body: { lease_seconds }, ...options })
  }

  /** Says of events in a lease that they are done, failed, or given back. @returns a result each */
  async settle(token: string, said: T.Settlement, options?: Options): Promise<T.SettleResult[]> {
    const path = `/leases/${segmentOf(token)}/settle`
    return this.#data('POST', path, { body: said, ...options })
  }

  async #data<Data>(method: string, path: string, ask?: Ask): Promise<Data> {
    return (await this.#ask<{ data: Data }>(method, path, ask)).data
  }

  /** Changes an event. A conflict after a lost answer is no error when the event tells that this was done to it. */
  async #move(
    id: string,
    verb: string,
    what: string,
    options: Options & { body: { subscription?: string | undefined } },
  ): Promise<T.Moved> {
    const { ask, isMaybeDone } = watched(options)
    try {
      return await this.#data('POST', `${pathOf(id)}/${verb}`, ask)
    } catch (error) {
      if (!isMaybeDone(error, 'STATUS_CONFLICT')) throw error
      const { signal, body } = options
      const { event_id, status, retry_count, updated_at, timeline } = await this.timeline(id, {
        signal,
        body: 'none',
      })
      // The status is that of all subscriptions together, so it does not tell.
      const last = timeline.findLast(
        (each) =>
          /^(ack|fail|retri)ed$/.test(each.what) &&
          each.subscription === (body.subscription ?? each.subscription),
      )
      if (last?.what !== what) throw error
      return { event_id, status, retry_count, timestamp: updated_at }
    }
  }
}

/** Remembers whether a request was repeated: then a refusal may be due to its own first attempt. */
function watched(options: Ask) {
  let repeated = false
  const ask = { ...options, onRepeat: () => (repeated = true) }
  const isMaybeDone = (error: unknown, code: string) =>
    repeated && error instanceof InboxError && error.code === code
  return { ask, isMaybeDone }
}

const isList = (events: unknown): events is readonly (T.NewEvent | string)[] =>
  Array.isArray(events)

const pathOf = (id: string) => `/inbox/${segmentOf(id)}`

/** Encodes a part of a path. @throws InboxError for what would make it another path */
function segmentOf(text: string): string {
  if (!/^\.{0,2}$/.test(text)) return encodeURIComponent(text)
  const detail = `Nothing in an inbox has the name "${text}".`
  throw new InboxError(400, { code: 'INVALID_PARAMETER', detail })
}

/** Writes a query. A list is separated by commas, and `filter` has parameters of its own, which replace no others. */
function queryOf({ filter, ...parameters }: Record<string, unknown>): string {
  const all = Object.entries({ ...(filter as object | undefined), ...parameters })
  const query = new URLSearchParams()
  for (const [name, value] of all) if (value != null) query.append(name, String(value))
  return query.size > 0 ? `?${query}` : ''
}

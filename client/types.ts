import type { components, operations } from './openapi.ts'

/** This module gives short names to the types that are made of `openapi.json`. */

type Schemas = components['schemas']
type Query<Name extends keyof operations> = NonNullable<operations[Name]['parameters']['query']>

export type Status = Schemas['Status']
export type NewEvent = Schemas['NewEvent']
export type InboxEvent = Schemas['Event']
export type ClaimedEvent = Schemas['ClaimedEvent']
export type EventPage = Schemas['EventPage']
export type PreviewPage = Schemas['PreviewPage']
export type Caller = Schemas['Caller']
export type EventWithTimeline = Schemas['EventWithTimeline']
export type EventTimeline = Schemas['EventTimeline']
export type AckResult = Schemas['AckResult']
export type Source = Schemas['Source']
export type DeadLetter = Schemas['DeadLetter']
export type Moved = Schemas['Moved']['data']
export type DeadLetterPage = Schemas['DeadLetterPage']
export type DeadLetterReasons = Schemas['DeadLetterReasons']
export type Metrics = Schemas['Metrics']
export type Subscription = Schemas['Subscription']
export type SubscriptionWithLeases = Schemas['SubscriptionWithLeases']
export type Claim = Partial<Schemas['Claim']>
export type Claimed = Schemas['Claimed']
export type Extended = Schemas['Extended']['data']
export type Settlement = Schemas['Settlement']
export type SettleResult = Schemas['SettleResult']
export type Problem = Schemas['Problem']
export type RedriveWish = operations['redrive']['requestBody']['content']['application/json']
export type Redriven =
  operations['redrive']['responses'][200]['content']['application/json']['data']

/** What a consumer needs of an inbox. */
export interface Leases {
  claim(wish: Claim): Promise<Claimed>
  extend(token: string, lease_seconds: number, options?: ExtendOptions): Promise<Extended>
  settle(token: string, said: Settlement, options?: RequestOptions): Promise<SettleResult[]>
}

/** What a chart of `GET /metrics` shows. */
export type Chart = NonNullable<Query<'getMetrics'>['chart']>
/** The dead letters with this reason, and those of this subscription. */
export type LetterFilter = Pick<Query<'listDeadLetters'>, 'reason' | 'subscription'>

/** What `GET /inbox` takes. */
export type Filter = Omit<Query<'listEvents'>, 'status' | 'filter' | 'count' | 'body'> & {
  body?: 'full'
  status?: Status | Status[]
  /** `false` leaves `total` out, which is faster. */
  count?: boolean
  /** Members of payload and metadata: `{ 'payload.customer.id': 7 }`. */
  filter?: Record<string, string | number | boolean>
}

/** What gives events without whole bodies. */
export type PreviewFilter = Omit<Filter, 'body'> & { body: 'preview' }

/** One result of `send`. A `duplicate` is an id that the inbox knew: the event is there once. */
export type SendResult =
  | { event_id: string; status: 'accepted' }
  | { event_id: string; status: 'duplicate'; event_status: Status; created_at: string }
  | { event_id: string | null; status: 'rejected'; error: SendError }

export interface SendError {
  code: string
  detail: string
  errors?: Schemas['Complaint'][]
}

/** What each request may be told. */
export interface RequestOptions {
  /** Ends the request, and its repeats. */
  signal?: AbortSignal | undefined
}

export interface ExtendOptions extends RequestOptions {
  /** How long an answer is waited for. A lease does not wait. */
  timeoutMs?: number
}

/** A client of event-inbox: sends events, reads them, and works on them. */
export { type ConsumeOptions, type Handler, Nack, Release } from './consume.ts'
export { InboxError } from './error.ts'
export type { InboxOptions } from './http.ts'
export { Inbox } from './inbox.ts'
export type { ConsumedEvent } from './iterate.ts'
export type { SendOptions } from './send.ts'
export type * from './types.ts'

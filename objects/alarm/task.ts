/** One kind of work that a shard's alarm does. */
export interface Task {
  /** When it is due, in milliseconds since 1970, now or past included; null when there is nothing to do. */
  dueAt(): number | null
  /** Does one step of it. Records its failures and does not throw them. */
  run(): Promise<void>
}

/**
 * One kind of work that a shard's alarm does.
 * @example
 * class SweepTrash implements Task {
 *   dueAt = () => (trash.isEmpty() ? null : sweepAt)
 *   run = async () => trash.sweep(1_000)
 * }
 */
export interface Task {
  /** Returns when it is due, in milliseconds since 1970; it may be now or past. Null means that there is no work. */
  dueAt(): number | null
  /** Does one step of the work. It records failures and does not throw them. */
  run(): Promise<void>
}

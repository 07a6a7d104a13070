import type { Sql } from './sql'

/** Keeps every SHARD_COUNT that this shard was told of. They only rise. */
export function shardCountsOn(sql: Sql) {
  return {
    /** Returns all counts, largest first. */
    all(): number[] {
      const rows = sql.rows<{ count: number }>('SELECT count FROM shard_counts ORDER BY count DESC')
      return rows.map(({ count }) => count)
    },
    /** Keeps a count that is larger than any before. */
    add(count: number): void {
      sql.run(
        `INSERT INTO shard_counts
         SELECT ?1 WHERE ?1 > (SELECT coalesce(max(count), 0) FROM shard_counts)`,
        count,
      )
    },
  }
}

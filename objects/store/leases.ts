import type { HeldLease } from '../../shared/claim'
import { type Entry, idsOf } from '../entries'
import type { Sql } from './sql'

/** A lease: who was given which events, until when. Times are milliseconds since 1970. */
export interface Lease {
  /** Its name; the shard does not know its token. */
  lease: string
  subscription: string
  entries: Entry[]
  consumer: string | null
  by: string
  claimed_at: number
  expires_at: number
}

/** The leases of a subscription that have one of these ids. */
const WITH_IDS = `subscription = ? AND EXISTS (
  SELECT 1 FROM json_each(entries) AS entry
  WHERE entry.value ->> 0 IN (SELECT value FROM json_each(?)))`

/** Keeps one row a claim. One whose time is over stays until somebody else was given what is in it. */
export function leasesOn(sql: Sql) {
  function* rows(clause: string, ...bindings: (string | number)[]): Generator<Lease> {
    type Row = Omit<Lease, 'entries'> & { entries: string }
    for (const row of sql.each<Row>(`SELECT * FROM leases WHERE ${clause}`, ...bindings))
      yield { ...row, entries: JSON.parse(row.entries) }
  }
  const replace = (lease: string, left: Entry[]): void => {
    if (left.length === 0) sql.run('DELETE FROM leases WHERE lease = ?', lease)
    else
      sql.run(
        'UPDATE leases SET n = ?, entries = ? WHERE lease = ?',
        left.length,
        JSON.stringify(left),
        lease,
      )
  }
  return {
    replace,
    find: (lease: string): Lease | undefined => rows('lease = ?', lease).toArray()[0],
    insert(lease: Lease): void {
      sql.run(
        `INSERT INTO leases (lease, subscription, n, entries, consumer, by, claimed_at, expires_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
        lease.lease,
        lease.subscription,
        lease.entries.length,
        JSON.stringify(lease.entries),
        lease.consumer,
        lease.by,
        lease.claimed_at,
        lease.expires_at,
      )
    },
    extend(lease: string, expiresAt: number): void {
      sql.run('UPDATE leases SET expires_at = ? WHERE lease = ?', expiresAt, lease)
    },
    /** Yields the leases whose time is over, those first that ended first. */
    expired: (subscription: string, now: number, from = 0): Generator<Lease> =>
      rows(
        'subscription = ? AND expires_at BETWEEN ? AND ? ORDER BY expires_at',
        subscription,
        from,
        now,
      ),
    /** Takes ids out of all leases of a subscription. @returns the entry and the lease of each that was in one */
    takeOut(subscription: string, ids: Set<string>): Map<string, { entry: Entry; lease: Lease }> {
      const taken = new Map<string, { entry: Entry; lease: Lease }>()
      for (const lease of rows(WITH_IDS, subscription, JSON.stringify([...ids])).toArray()) {
        const left = lease.entries.filter(([id]) => !ids.has(id))
        if (left.length === lease.entries.length) continue
        for (const entry of lease.entries)
          if (ids.has(entry[0])) taken.set(entry[0], { entry, lease })
        replace(lease.lease, left)
      }
      return taken
    },
    /** Finds the lease that an event is in, whether or not its time is over. */
    holding(subscription: string, eventId: string): { entry: Entry; lease: Lease } | undefined {
      const quoted = JSON.stringify(eventId)
      for (const lease of rows(
        'subscription = ? AND instr(entries, ?) > 0',
        subscription,
        quoted,
      )) {
        const entry = lease.entries.find(([id]) => id === eventId)
        if (entry) return { entry, lease }
      }
      return undefined
    },
    /** Counts the entries of leases that are not over. All of them are live. */
    leased: (subscription: string, now: number): number =>
      sql.number(
        'SELECT coalesce(sum(n), 0) FROM leases WHERE subscription = ? AND expires_at > ?',
        subscription,
        now,
      ),
    /** Returns when the next lease ends that is not over yet; null when there is none. */
    nextAt(subscription: string, now: number): number | null {
      const statement = `SELECT expires_at FROM leases
        WHERE subscription = ? AND expires_at > ? ORDER BY expires_at LIMIT 1`
      return sql.rows<Lease>(statement, subscription, now)[0]?.expires_at ?? null
    },
    /** Lists the leases that are not over, those first that end first. */
    list: (subscription: string, now: number, most: number): HeldLease[] =>
      rows(
        'subscription = ? AND expires_at > ? ORDER BY expires_at LIMIT ?',
        subscription,
        now,
        most,
      )
        .toArray()
        .map(({ lease, consumer, by, claimed_at, expires_at, entries }) => ({
          lease,
          consumer,
          by,
          claimed_at,
          expires_at,
          event_ids: idsOf(entries),
        })),
    /** Names the subscriptions that have a lease whose time is over. */
    expiredIn: (now: number): string[] =>
      sql
        .rows<{ subscription: string }>(
          'SELECT DISTINCT subscription FROM leases WHERE expires_at <= ?',
          now,
        )
        .map(({ subscription }) => subscription),
  }
}

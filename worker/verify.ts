import {
  type LetterRow,
  readLettersBetween,
  readSameLetters,
  withdrawLetters,
} from '../d1/dead-letters'
import { countPeriods } from '../d1/events'
import type { RecordedLetter } from '../shared/dead-letter'
import { INBOX, isoTime } from '../shared/event'
import type { CountStep, HeldLetter } from '../shared/outcomes'
import { shardName } from '../shared/owners'
import {
  addCounts,
  type Difference,
  hoursFrom,
  judge,
  LETTERS_A_STEP,
  type PeriodCounts,
  rangesOf,
  type ShardCount,
  type StatusCounts,
  type Verdict,
} from '../shared/verification'
import { allShards, type Shard } from './shards'

/**
 * This module compares each shard's counters with its rows, and D1 with both.
 * It reads everything there is: a shard's recount at once, all else in bounded steps.
 */

/** What moved while it was compared is compared again, in at most this many rounds and this time. */
const MAX_ROUNDS = 3
const MAX_MS = 10_000
/** One query of D1 counts about this many events, which takes well under a second. */
const EVENTS_A_QUERY = 200_000
/** The queue's consumer records a late letter before it removes it again; after this time it is done. */
const LATE_LETTER_MS = 2_000

export interface Verification {
  /** Whether all that was compared agrees. */
  verified: boolean
  differences: Difference[]
  /** What was not compared because D1 has not been told of all of it: periods, or `dead_letters`. */
  behind: string[]
  /** What was not compared because it moved meanwhile. */
  moving: string[]
  /** How many dead letters D1 had lost; they are on their way to it again. */
  resent_dead_letters: number
  /** How many events of a version before subscriptions are still to be made claimable; that goes on by itself. */
  not_claimable_yet: number
}

/** Compares shards and D1, and sends again or removes dead letters that differ. @throws HttpError 503 without D1 */
export async function verifyCounts(env: Env): Promise<Verification> {
  const deadline = Date.now() + MAX_MS
  const shards = await allShards(env)
  const recounts = await Promise.all(shards.map((shard) => shard.recount()))
  const differences = recounts.flatMap(({ shard, counters, rows, pairs }) => [
    ...differencesOf(shard, rows, counters),
    ...differencesOf(shard, pairs?.rows ?? {}, pairs?.counters ?? {}),
  ])
  const verdicts = await compareEvents(env, shards, deadline)
  const left = (why: Verdict) =>
    [...verdicts].filter(([, verdict]) => verdict === why).map(([period]) => period)
  differences.push(
    ...[...verdicts.values()].filter((verdict) => typeof verdict !== 'string').flat(),
  )
  const letters = await compareLetters(env, shards, deadline)
  differences.push(...letters.differences)
  return {
    verified: differences.length === 0,
    differences,
    behind: [...left('behind'), ...(letters.left === 'behind' ? ['dead_letters'] : [])],
    moving: [...left('moving'), ...(letters.left === 'moving' ? ['dead_letters'] : [])],
    resent_dead_letters: letters.resent,
    not_claimable_yet: recounts.reduce((sum, { pairs }) => sum + (pairs?.backlog ?? 0), 0),
  }
}

/** Compares counters with what the rows say. */
function differencesOf(
  where: string,
  rows: Record<string, number>,
  counters: Record<string, number>,
): Difference[] {
  return Object.entries(rows)
    .map(([what, expected]) => ({ where, what, expected, found: counters[what] ?? 0 }))
    .filter(({ expected, found }) => expected !== found)
}

/** Compares the events by period, and again those that moved. A round's last count is the first of the next round. */
async function compareEvents(env: Env, shards: Shard[], deadline: number) {
  const hours = hoursFrom(Date.now())
  const verdicts = new Map<string, Verdict>()
  let before = await countShards(shards, hours)
  let since = ''
  for (let round = 1; ; round++) {
    const d1 = await countD1(env, before, hours, since)
    const after = await countShards(shards, hours)
    for (const [period, verdict] of judge(before, d1, after, hours, since))
      if (typeof (verdicts.get(period) ?? '') === 'string') verdicts.set(period, verdict)
    const open = [...verdicts].filter(([, verdict]) => typeof verdict === 'string')
    if (open.length === 0 || round === MAX_ROUNDS || Date.now() > deadline) return verdicts
    since = open.map(([period]) => period).toSorted()[0] ?? ''
    before = after
  }
}

function countShards(shards: Shard[], hours: number): Promise<ShardCount[]> {
  const count = async (shard: Shard): Promise<ShardCount> => {
    await shard.flush()
    const begun = await shard.untold(hours)
    const counts = new Map<string, PeriodCounts>()
    for (let after: string | null = ''; after !== null;) {
      const step: CountStep = await shard.countPeriods(hours, after)
      addCounts(counts, step.counts)
      after = step.next
    }
    return { begun, counts, ended: await shard.untold(hours) }
  }
  return Promise.all(shards.map(count))
}

/** Counts what D1 has of each period from `since` on. */
async function countD1(env: Env, shards: ShardCount[], hours: number, since: string) {
  const found = new Map<string, StatusCounts>()
  const counts = shards.map((shard) => shard.counts)
  for (const range of rangesOf(counts, EVENTS_A_QUERY, since)) {
    for (const { period, status, count } of await countPeriods(env.DB, isoTime(hours), range)) {
      const sum = found.get(period) ?? { pending: 0, delivered: 0, failed: 0 }
      sum[status] += count
      found.set(period, sum)
    }
  }
  return found
}

/** Compares dead letters one by one. Those that a shard knows to be in D1 must be there, and no others. */
async function compareLetters(env: Env, shards: Shard[], deadline: number) {
  let [standing, resent] = [0, 0]
  let left: 'behind' | 'moving' | undefined
  const strays: LetterRow[] = []
  for (let after = ''; after < LAST;) {
    const pages: HeldLetter[][] = await Promise.all(shards.map((shard) => shard.letters(after)))
    const end = endOf(pages, LAST)
    const rows = await readLettersBetween(env.DB, after, end, LETTERS_A_STEP)
    after = endOf([rows], end)
    const inD1 = new Set(
      rows.map((row) => keyOf({ ...row, subscription: row.subscription ?? INBOX })),
    )
    const held = pages.map((page) => page.filter(({ event_id }) => event_id <= after))
    for (const [index, letters] of held.entries()) {
      const recorded = letters.filter((letter) => letter.recorded)
      if (recorded.length < letters.length) left = 'behind'
      standing += recorded.length
      const lost = recorded.filter((letter) => !inD1.has(heldKeyOf(letter)))
      // The shard resends only those that still stand; D1 was told to remove the others meanwhile.
      if (lost.length > 0) resent += (await shards[index]?.resend(lost)) ?? 0
    }
    const known = keysInD1(held.flat())
    strays.push(...rows.filter((row) => row.event_id <= after && !known.has(keyOf(row))))
    if (strays.length > LETTERS_A_STEP) break
    if (after < LAST && Date.now() > deadline) {
      left = 'moving'
      break
    }
  }
  const { removed, unclear } = await removeStrays(env, shards, strays.slice(0, LETTERS_A_STEP))
  const differences: Difference[] = [
    { where: 'D1', what: 'dead_letters', expected: standing, found: standing - resent },
    { where: 'D1', what: 'stray_dead_letters', expected: 0, found: removed },
  ]
  return {
    resent,
    left: unclear > 0 ? 'behind' : left,
    differences: differences.filter(({ expected, found }) => expected !== found),
  }
}

/** Sorts after every id. */
const LAST = '~'

/** Returns the id up to which all of these pages are complete. */
function endOf(pages: { event_id: string }[][], most: string): string {
  const ends = pages.flatMap((page) => (page.length < LETTERS_A_STEP ? [] : page.slice(-1)))
  return [most, ...ends.map(({ event_id }) => event_id)].toSorted()[0] ?? most
}

/** Identifies a failure of a pair; without a subscription, that of an event in any of them. */
const keyOf = ({ event_id, subscription, failed_at }: Omit<LetterRow, 'shard'>) =>
  `${event_id} ${subscription ?? '*'} ${failed_at}`

/** Identifies a letter of a shard. Those of the version before have no other subscription than INBOX. */
const heldKeyOf = ({ event_id, subscription = INBOX, failed_at }: RecordedLetter) =>
  keyOf({ event_id, subscription, failed_at: isoTime(failed_at) })

/** Makes the keys under which D1 may have letters: with their subscription, and as the version before recorded them. */
const keysInD1 = (letters: RecordedLetter[]) =>
  new Set(letters.flatMap((each) => [heldKeyOf(each), heldKeyOf({ ...each, subscription: null })]))

/**
 * Removes letters from D1 that no shard has, as the queue's consumer does with those that come late.
 * A failure that does not stand never will again.
 */
async function removeStrays(env: Env, shards: Shard[], strays: LetterRow[]) {
  if (strays.length === 0) return { removed: 0, unclear: 0 }
  await scheduler.wait(LATE_LETTER_MS)
  const possible = await Promise.all(
    shards.map(async (shard, index) => {
      const own = strays.filter((letter) => letter.shard === shardName(index))
      await shard.flush()
      return shard.lettersD1MayHave(
        own.map(({ event_id, subscription, failed_at }) => {
          return { event_id, subscription, failed_at: Date.parse(failed_at) }
        }),
      )
    }),
  )
  const excused = keysInD1(possible.flat())
  const others = strays.filter((letter) => !excused.has(keyOf(letter)))
  const still = await readSameLetters(env.DB, others)
  if (still.length > 0) await withdrawLetters(env.DB, still)
  return { removed: still.length, unclear: excused.size }
}

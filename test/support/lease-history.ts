/**
 * What consumers and operators did, and what they were answered: was each pair of an event and a subscription ever in two
 * hands, moved by an old token, or ended twice? Pure. Only what is certain is told: a request took effect between its start
 * and its end, and one that was not answered may have, at any time after its start, or never.
 */

/** Times are milliseconds of the test's own clock. */
interface Request {
  start: number
  /** Infinity when it was not answered. */
  end: number
}

export interface Post extends Request {
  kind: 'post'
  id: string
  /** Tells the events apart that were posted under one id, one after the other. */
  n: number
  /** The subscriptions that take it. */
  names: string[]
  /** By the shard's clock: nobody is given it before, unless somebody acted on it. */
  notBefore?: number | undefined
  /** Undefined when it was not answered. */
  isAccepted: boolean | undefined
}

/** A claim that gave out events, or was not answered: then it is not known which. */
export interface Claim extends Request {
  kind: 'claim'
  name: string
  token: string | null
  /** By the shard's clock: exact, as answers say when a lease ends. */
  claimedAt: number
  expiresAt: number
  events: { id: string; n: number; attempt: number }[]
}

export type SettleVerb = 'ack' | 'nack' | 'release'

export interface Settle extends Request {
  kind: 'settle'
  token: string
  says: Map<string, SettleVerb>
  /** By id; null when it was not answered. */
  outcomes: Map<string, string> | null
}

export interface Extend extends Request {
  kind: 'extend'
  token: string
  leaseMs: number
  /** By the shard's clock; null when it was refused or not answered. */
  expiresAt: number | null
  /** What the lease held; null when it was not answered. */
  ids: string[] | null
}

/** What an operator did by id. */
export interface Operation extends Request {
  kind: 'ack' | 'nack' | 'retry' | 'delete'
  id: string
  /** Undefined: in all. */
  name: string | undefined
  /** 200, 404 or 409; null when it was not answered. */
  status: number | null
}

export type Happening = Post | Claim | Settle | Extend | Operation

export interface Rules {
  maxAttempts: (name: string) => number
  maxExpiries: number
  /** A claim that was not answered took effect by then, or never. */
  claimLandsWithin: number
  /** The latest moment that a shard's clock may have shown then. */
  shardClockAt: (moment: number) => number
}

/** An event as it was found in the end; undefined when there was none. */
export type Final = { n: number; status: string } | undefined

/** One claim of one pair, and all that may have touched the pair. */
interface Hold {
  claim: Claim & { token: string }
  attempt: number
  settles: Settle[]
  extends: Extend[]
}

interface Pair {
  id: string
  n: number
  name: string
  /** In the order of the shard's clock. */
  holds: Hold[]
  operations: Operation[]
}

/** Whether an operator's act may have moved the pair: it was not answered that there was nothing to move. */
const mayMove = ({ status }: Operation) => status === null || status === 200
/** After an answered ack, nack or delete no lease from before it has the event any more. */
const endsLeases = ({ kind, status }: Operation) => kind !== 'retry' && status !== null

/** Whether a settle may have done what it says, or had done it before. */
const mayHaveDone = ({ outcomes }: Settle, id: string) =>
  outcomes === null || !['lost', 'gone'].includes(outcomes.get(id) ?? 'lost')

const byClock = (a: Hold, b: Hold) => a.claim.claimedAt - b.claim.claimedAt

/** Gathers by pair what was done. */
export class LeaseHistory {
  readonly #happenings: Happening[]
  readonly #rules: Rules
  readonly #pairs = new Map<string, Pair>()
  readonly #lostClaims: Claim[]
  readonly #posts: Post[]
  readonly #postOf: Map<string, Post>

  constructor(happenings: Happening[], rules: Rules) {
    this.#happenings = happenings
    this.#rules = rules
    const claims = happenings.filter((each) => each.kind === 'claim')
    this.#lostClaims = claims.filter(({ token }) => token === null)
    this.#posts = happenings.filter((each) => each.kind === 'post')
    this.#postOf = new Map(this.#posts.map((post) => [`${post.id} ${post.n}`, post]))
    const settles = Map.groupBy(
      happenings.filter((each) => each.kind === 'settle'),
      ({ token }) => token,
    )
    const extensions = Map.groupBy(
      happenings.filter((each) => each.kind === 'extend'),
      ({ token }) => token,
    )
    const operations = Map.groupBy(
      happenings.filter((each): each is Operation =>
        ['ack', 'nack', 'retry', 'delete'].includes(each.kind),
      ),
      ({ id }) => id,
    )
    for (const { id, n, names } of this.#posts)
      for (const name of names) {
        const own = (operations.get(id) ?? []).filter(
          (each) => each.name === undefined || each.name === name,
        )
        this.#pairs.set(`${id} ${n} ${name}`, { id, n, name, holds: [], operations: own })
      }
    for (const claim of claims) {
      const { token } = claim
      if (token === null) continue
      for (const { id, n, attempt } of claim.events) {
        const own = (settles.get(token) ?? []).filter(({ says }) => says.has(id))
        this.#pairs.get(`${id} ${n} ${claim.name}`)?.holds.push({
          claim: { ...claim, token },
          attempt,
          settles: own.toSorted((a, b) => a.start - b.start),
          extends: extensions.get(token) ?? [],
        })
      }
    }
    for (const { holds } of this.#pairs.values()) holds.sort(byClock)
  }

  /** Says what cannot have been right, in words. */
  violations(): string[] {
    const wrong = [...this.#pairs.values()].flatMap((pair) => [
      ...this.#twoHolders(pair),
      ...this.#oldTokens(pair),
      ...this.#endedTwice(pair),
      ...this.#attempts(pair),
      ...this.#refusedHolders(pair),
      ...this.#tooSoon(pair),
    ])
    return [...wrong, ...this.#unknown(), ...this.#cameBack()]
  }

  /** Says what cannot be right of how everything ended, once nothing was open any more. */
  endings(finals: Map<string, Final>): string[] {
    const wrong: string[] = []
    for (const [id, posts] of Map.groupBy(this.#posts, (post) => post.id)) {
      const final = finals.get(id)
      const accepted = posts.filter(({ isAccepted }) => isAccepted)
      const last = accepted.toSorted((a, b) => a.start - b.start).at(-1)
      const deletions = this.#happenings.filter((each) => each.kind === 'delete' && each.id === id)
      const isGone = deletions.some((each) => last && each.end > last.start)
      if (last && !isGone && final?.n !== last.n)
        wrong.push(
          `${id}: it was accepted as ${last.n}, and in the end it is ${final?.n ?? 'gone'}`,
        )
      if (!final) continue
      const own = posts.find(({ n }) => n === final.n)
      if (!own || own.isAccepted === false) {
        wrong.push(`${id}: in the end it is ${final.n}, which was not accepted`)
        continue
      }
      const pairs = own.names.flatMap((name) => this.#pairs.get(`${id} ${own.n} ${name}`) ?? [])
      if (final.status === 'pending') wrong.push(`${id}: it is still pending`)
      if (final.status === 'delivered')
        for (const pair of pairs)
          if (!this.#mayBeAcked(pair)) wrong.push(`${wordsOf(pair)} ended, and nobody acked it`)
      if (final.status === 'failed' && !pairs.some((pair) => this.#mayHaveFailed(pair)))
        wrong.push(`${id}: it failed, and had neither nacks nor expiries enough`)
      for (const pair of pairs)
        if (final.status !== 'failed' && this.#mustHaveFailed(pair))
          wrong.push(`${wordsOf(pair)} failed, was not retried, and is ${final.status}`)
    }
    return wrong
  }

  /** Nobody is given what somebody else certainly has. */
  #twoHolders({ holds, operations, ...pair }: Pair): string[] {
    const wrong: string[] = []
    for (const [index, first] of holds.entries())
      for (const next of holds.slice(index + 1)) {
        if (first.claim.token === next.claim.token) {
          wrong.push(`${wordsOf(pair)} was given out twice by one claim`)
          continue
        }
        if (next.claim.claimedAt >= this.#leastExpiry(first, next.claim)) continue
        const before = ({ start }: Request) => start <= next.claim.end
        const isFree =
          first.settles.some((each) => before(each) && mayHaveDone(each, pair.id)) ||
          operations.some((each) => before(each) && each.end >= first.claim.start && mayMove(each))
        if (!isFree)
          wrong.push(
            `${wordsOf(pair)} had two holders at ${next.claim.claimedAt}: ${first.claim.token} and ${next.claim.token}`,
          )
      }
    return wrong
  }

  /** Once somebody else was given it, or an operator acted on it, the former token does nothing to it. */
  #oldTokens({ holds, operations, ...pair }: Pair): string[] {
    const wrong: string[] = []
    for (const { claim, settles, extends: extensions } of holds) {
      const others = holds
        .filter((other) => other.claim.claimedAt > claim.claimedAt)
        .map((other) => other.claim.end)
      const acts = operations
        .filter((each) => endsLeases(each) && each.start > claim.end)
        .map(({ end }) => end)
      // From this moment on the token is an old one.
      const since = Math.min(...others, ...acts)
      for (const [index, settle] of settles.entries()) {
        const outcome = settle.outcomes?.get(pair.id)
        if (settle.start <= since || outcome === undefined || !mayHaveDone(settle, pair.id))
          continue
        const isRepeat = settles
          .slice(0, index)
          .some(
            (each) =>
              each.start <= since &&
              mayHaveDone(each, pair.id) &&
              each.says.get(pair.id) === settle.says.get(pair.id),
          )
        if (!isRepeat)
          wrong.push(`${wordsOf(pair)}: the old token ${claim.token} was answered ${outcome}`)
      }
      for (const { start, ids } of extensions)
        if (start > since && ids?.includes(pair.id))
          wrong.push(`${wordsOf(pair)}: the old token ${claim.token} was extended`)
    }
    return wrong
  }

  /** It is acked by one token, and then, or after it was deleted, nobody is given it any more. */
  #endedTwice({ holds, operations, ...pair }: Pair): string[] {
    const wrong: string[] = []
    const acks = holds.flatMap(({ claim, settles }) =>
      settles
        .filter((each) => each.outcomes?.get(pair.id) === 'acked')
        .map(({ end }) => ({ token: claim.token, end })),
    )
    const tokens = [...new Set(acks.map(({ token }) => token))]
    if (tokens.length > 1) wrong.push(`${wordsOf(pair)} was acked by ${tokens.join(' and ')}`)
    const post = this.#postOf.get(`${pair.id} ${pair.n}`)
    const wasThere = ({ start }: Request) => post?.isAccepted && post.end < start
    const ends = operations
      .filter((each) => (each.kind === 'ack' || each.kind === 'delete') && wasThere(each))
      .filter(({ status }) => status !== null)
      // A failed pair is not acked, and may be retried.
      .filter(
        (each) => each.kind === 'delete' || !this.#mayFailAndReturn({ holds, operations, ...pair }),
      )
    const since = Math.min(...acks.map(({ end }) => end), ...ends.map(({ end }) => end))
    for (const { claim } of holds)
      if (claim.start > since) wrong.push(`${wordsOf(pair)} was claimed after it had ended`)
    return wrong
  }

  /** An attempt is one more after each nack and each expiry, and begins anew after a retry. */
  #attempts({ holds, operations, ...pair }: Pair): string[] {
    const wrong: string[] = []
    const first = holds[0]
    const mayBeBefore = (kind: Operation['kind'], end: number, since = 0) =>
      operations.filter(
        (each) => each.kind === kind && mayMove(each) && each.start <= end && each.end >= since,
      ).length
    if (first) {
      const { end } = first.claim
      const most = 1 + mayBeBefore('nack', end) + this.#lostClaimsBetween(pair.name, 0, end)
      if (first.attempt < 1 || first.attempt > most)
        wrong.push(`${wordsOf(pair)}: its first attempt was ${first.attempt}, of at most ${most}`)
    }
    for (const [index, before] of holds.entries()) {
      const next = holds[index + 1]
      if (!next) break
      const { start } = before.claim
      const { end } = next.claim
      if (mayBeBefore('retry', end, start) > 0) continue
      const rise = next.attempt - before.attempt
      const tried = before.settles.filter((each) => each.start <= end && mayHaveDone(each, pair.id))
      const answered = tried.filter((each) => each.outcomes !== null)
      const isReleased = answered.some((each) => each.outcomes?.get(pair.id) === 'released')
      const isNacked = answered.some((each) => each.outcomes?.get(pair.id) === 'nacked')
      const isLeft = tried.length === 0 && mayBeBefore('nack', end, start) === 0
      const least = isNacked || isLeft ? 1 : 0
      const most =
        Number(!isReleased) +
        mayBeBefore('nack', end, start) +
        this.#lostClaimsBetween(pair.name, start, end)
      if (rise < least || rise > most)
        wrong.push(
          `${wordsOf(pair)}: attempt ${before.attempt} was followed by ${next.attempt}, not by ${least} to ${most} more`,
        )
    }
    return wrong
  }

  /** Who certainly has it is not told that it is lost. */
  #refusedHolders({ holds, operations, ...pair }: Pair): string[] {
    const wrong: string[] = []
    for (const hold of holds) {
      const { claim, settles } = hold
      for (const settle of settles) {
        if (settle.outcomes === null || mayHaveDone(settle, pair.id)) continue
        const before = ({ start }: Request) => start <= settle.end
        const until = this.#leastExpiry(hold, settle)
        const isLive = this.#rules.shardClockAt(settle.end) < until
        const isTouched =
          operations.some((each) => before(each) && each.end >= claim.start) ||
          settles.some((each) => each !== settle && before(each))
        if (isLive && !isTouched)
          wrong.push(`${wordsOf(pair)}: its holder ${claim.token} was told that it is lost`)
      }
    }
    return wrong
  }

  /** An event that is for later is not given out before. */
  #tooSoon({ holds, operations, ...pair }: Pair): string[] {
    const { notBefore = 0 } = this.#postOf.get(`${pair.id} ${pair.n}`) ?? {}
    const wrong: string[] = []
    for (const { claim } of holds) {
      const isMoved = operations.some(({ kind, start }) => kind !== 'delete' && start <= claim.end)
      if (claim.claimedAt < notBefore && !isMoved)
        wrong.push(`${wordsOf(pair)} was given out ${notBefore - claim.claimedAt} ms too soon`)
    }
    return wrong
  }

  /** Only what was posted is given out, to those who take it. */
  #unknown(): string[] {
    const wrong: string[] = []
    for (const each of this.#happenings) {
      if (each.kind !== 'claim') continue
      for (const { id, n } of each.events)
        if (!this.#pairs.has(`${id} ${n} ${each.name}`))
          wrong.push(`${id} (${n}) was given out in ${each.name}, and nobody posted it there`)
    }
    for (const { id, n, holds } of this.#pairs.values())
      if (this.#postOf.get(`${id} ${n}`)?.isAccepted === false && holds.length > 0)
        wrong.push(`${id} (${n}) was refused, and given out`)
    return wrong
  }

  /** What was given out after another event had its id does not come back. */
  #cameBack(): string[] {
    const wrong: string[] = []
    const given = [...this.#pairs.values()].filter(({ holds }) => holds.length > 0)
    for (const [id, pairs] of Map.groupBy(given, (pair) => pair.id))
      for (const later of pairs)
        for (const earlier of pairs) {
          const [former, present] = [earlier, later].map(({ n }) => this.#postOf.get(`${id} ${n}`))
          if (!former?.isAccepted || !present || former.end >= present.start) continue
          const since = Math.min(...later.holds.map(({ claim }) => claim.end))
          for (const { claim } of earlier.holds)
            if (claim.start > since)
              wrong.push(`${wordsOf(earlier)} was claimed after ${later.n} had its id`)
        }
    return wrong
  }

  /** By the shard's clock: the least moment at which the lease may have ended, as known at the end of a request. */
  #leastExpiry({ claim, extends: extensions }: Hold, until: Request | Claim): number {
    const own = extensions.filter(({ start }) => start <= until.end)
    // Each extension that took effect stands for all before it.
    const sure = own
      .filter(({ expiresAt }) => expiresAt !== null)
      .map(({ expiresAt, leaseMs }) => ({
        at: Number(expiresAt) - leaseMs,
        expiresAt: Number(expiresAt),
      }))
    const before = 'claimedAt' in until ? sure.filter(({ at }) => at < until.claimedAt) : sure
    const ends = [claim.expiresAt, ...sure.map(({ expiresAt }) => expiresAt)]
    const last = before.toSorted((a, b) => a.at - b.at).at(-1)
    const lost = own.filter(({ ids }) => ids === null)
    const shortened = lost.map(({ leaseMs }) => claim.claimedAt + leaseMs)
    const isSure = 'claimedAt' in until && last && lost.length === 0
    return isSure ? last.expiresAt : Math.min(...ends, ...shortened)
  }

  #lostClaimsBetween(name: string, start: number, end: number): number {
    const within = this.#rules.claimLandsWithin
    return this.#lostClaims.filter(
      (each) => each.name === name && each.start <= end && each.start + within >= start,
    ).length
  }

  #mayBeAcked({ id, holds, operations }: Pair): boolean {
    return (
      holds.some(({ settles }) =>
        settles.some((each) => each.says.get(id) === 'ack' && mayHaveDone(each, id)),
      ) || operations.some((each) => each.kind === 'ack' && mayMove(each))
    )
  }

  #mayHaveFailed(pair: Pair): boolean {
    const { id, name, holds, operations } = pair
    const nacks = holds.filter(({ settles }) =>
      settles.some((each) => each.says.get(id) === 'nack' && mayHaveDone(each, id)),
    ).length
    const byHand = operations.filter((each) => each.kind === 'nack' && mayMove(each)).length
    const expiries = holds.length + this.#lostClaimsBetween(name, 0, Infinity)
    return nacks + byHand >= this.#rules.maxAttempts(name) || expiries >= this.#rules.maxExpiries
  }

  #mayFailAndReturn(pair: Pair): boolean {
    const mayBeRetried = pair.operations.some((each) => each.kind === 'retry' && mayMove(each))
    return mayBeRetried && this.#mayHaveFailed(pair)
  }

  #mustHaveFailed({ id, holds, operations }: Pair): boolean {
    const failures = holds.flatMap(({ settles }) =>
      settles.filter((each) => each.outcomes?.get(id) === 'failed'),
    )
    const last = Math.min(...failures.map(({ start }) => start))
    const mayReturn = operations.some(
      (each) => each.kind === 'retry' && mayMove(each) && each.end >= last,
    )
    return failures.length > 0 && !mayReturn
  }
}

function wordsOf({ id, n, name }: Pick<Pair, 'id' | 'n' | 'name'>): string {
  return `${id} (${n}) in ${name}`
}

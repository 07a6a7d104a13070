import { describe, expect, test } from 'vitest'
import {
  type Claim,
  type Extend,
  type Happening,
  LeaseHistory,
  type Operation,
  type Post,
  type Rules,
  type Settle,
  type SettleVerb,
} from './lease-history'

const RULES: Rules = {
  maxAttempts: () => 3,
  maxExpiries: 10,
  claimLandsWithin: 100,
  shardClockAt: (moment) => moment + 5,
}

const UNANSWERED = { end: Infinity }
const post = (start: number, n = 1, more: Partial<Post> = {}): Post => {
  const about = { id: 'a', n, names: ['inbox'], isAccepted: true }
  return { kind: 'post', start, end: start + 1, ...about, ...more }
}
const claim = (
  start: number,
  token: string | null,
  more: Partial<Claim> = {},
  n = 1,
  attempt = 1,
) => {
  const events = token === null ? [] : [{ id: 'a', n, attempt }]
  const own = { name: 'inbox', token, claimedAt: start, expiresAt: start + 100, events }
  return { kind: 'claim', start, end: start + 1, ...own, ...more } satisfies Claim
}
const settle = (start: number, token: string, verb: SettleVerb, outcome: string | null): Settle => {
  const says = new Map([['a', verb]])
  const outcomes = outcome === null ? null : new Map([['a', outcome]])
  const end = outcome === null ? Infinity : start + 1
  return { kind: 'settle', start, end, token, says, outcomes }
}
const extend = (start: number, token: string, leaseMs: number, more: Partial<Extend> = {}) => {
  const own = { token, leaseMs, expiresAt: start + leaseMs, ids: ['a'] }
  return { kind: 'extend', start, end: start + 1, ...own, ...more } satisfies Extend
}
const operate = (
  start: number,
  kind: Operation['kind'],
  status: number | null,
  name?: string,
): Operation => {
  const end = status === null ? Infinity : start + 1
  return { kind, id: 'a', name, start, end, status }
}

const violations = (...happenings: Happening[]) => new LeaseHistory(happenings, RULES).violations()
const second = (start: number, token: string, attempt = 2) => claim(start, token, {}, 1, attempt)
const unanswered = claim(8, null, UNANSWERED)

describe('a history that can be is let pass', () => {
  const good: Record<string, Happening[]> = {
    'claimed and acked': [post(0), claim(10, 'x'), settle(20, 'x', 'ack', 'acked')],
    'acked twice by one token': [
      post(0),
      claim(10, 'x'),
      settle(20, 'x', 'ack', null),
      settle(30, 'x', 'ack', 'acked'),
      settle(40, 'x', 'ack', 'acked'),
    ],
    'expired and claimed again': [
      post(0),
      claim(10, 'x'),
      second(110, 'y'),
      settle(120, 'x', 'ack', 'lost'),
      settle(130, 'y', 'ack', 'acked'),
    ],
    'settled late, before another claim': [
      post(0),
      claim(10, 'x'),
      settle(300, 'x', 'ack', 'acked'),
    ],
    'nacked and claimed': [
      post(0),
      claim(10, 'x'),
      settle(20, 'x', 'nack', 'nacked'),
      second(30, 'y'),
      settle(40, 'x', 'nack', 'nacked'),
    ],
    'nacked without an answer, and claimed': [
      post(0),
      claim(10, 'x'),
      settle(20, 'x', 'nack', null),
      second(30, 'y'),
    ],
    'released and claimed as the same attempt': [
      post(0),
      claim(10, 'x'),
      settle(20, 'x', 'release', 'released'),
      second(30, 'y', 1),
    ],
    'extended and claimed when that was over': [
      post(0),
      claim(10, 'x'),
      extend(20, 'x', 200),
      second(220, 'y'),
    ],
    'perhaps made shorter': [
      post(0),
      claim(10, 'x'),
      extend(20, 'x', 30, { ...UNANSWERED, ids: null, expiresAt: null }),
      second(60, 'y'),
    ],
    'nacked by hand and claimed': [
      post(0),
      claim(10, 'x'),
      operate(20, 'nack', null),
      second(30, 'y'),
      settle(40, 'x', 'ack', 'lost'),
    ],
    'claimed by one who was not answered': [
      post(0),
      unanswered,
      claim(120, 'x', {}, 1, 2),
      settle(130, 'x', 'ack', 'acked'),
    ],
    'failed, retried and claimed as a first attempt': [
      post(0),
      claim(10, 'x', {}, 1, 1),
      settle(20, 'x', 'nack', 'nacked'),
      second(30, 'y'),
      operate(40, 'nack', 200),
      operate(50, 'retry', 200),
      claim(60, 'z'),
    ],
    'claimed when its time came': [post(0, 1, { notBefore: 10 }), claim(10, 'x')],
    'for later, nacked by hand and claimed': [
      post(0, 1, { notBefore: 90 }),
      operate(5, 'nack', 200),
      second(10, 'x'),
    ],
    'deleted, posted anew and claimed': [
      post(0),
      claim(10, 'x'),
      operate(20, 'delete', 200),
      post(30, 2),
      claim(40, 'y', {}, 2),
      settle(50, 'x', 'ack', 'lost'),
    ],
    'told at the same time as another claim': [
      post(0),
      claim(10, 'x'),
      settle(109, 'x', 'ack', 'lost'),
      claim(108, 'y', { end: 112, claimedAt: 110, expiresAt: 210 }, 1, 2),
    ],
  }
  test.for(Object.entries(good))('%s', ([, happenings]) => {
    expect(violations(...happenings)).toEqual([])
  })
})

describe('is found:', () => {
  const bad: [name: string, happenings: Happening[], words: string][] = [
    ['two holders', [post(0), claim(10, 'x'), second(109, 'y')], 'had two holders'],
    [
      'two holders, after an extension',
      [post(0), claim(10, 'x'), extend(20, 'x', 200), second(219, 'y')],
      'had two holders',
    ],
    [
      'two holders, though a settle was refused',
      [post(0), claim(10, 'x'), settle(20, 'x', 'ack', 'lost'), second(30, 'y')],
      'had two holders',
    ],
    [
      'two holders, though an operator was refused',
      [post(0), claim(10, 'x'), operate(20, 'nack', 409), second(30, 'y')],
      'had two holders',
    ],
    [
      'an event twice in one claim',
      [
        post(0),
        claim(10, 'x', {
          events: [
            { id: 'a', n: 1, attempt: 1 },
            { id: 'a', n: 1, attempt: 1 },
          ],
        }),
      ],
      'given out twice by one claim',
    ],
    [
      'an old token that acks',
      [post(0), claim(10, 'x'), second(120, 'y'), settle(130, 'x', 'ack', 'acked')],
      'the old token x was answered acked',
    ],
    [
      'an old token that does something else than before',
      [
        post(0),
        claim(10, 'x'),
        settle(20, 'x', 'nack', 'nacked'),
        second(30, 'y'),
        settle(40, 'x', 'ack', 'acked'),
      ],
      'the old token x was answered acked',
    ],
    [
      'an old token that acks after an operator nacked',
      [post(0), claim(10, 'x'), operate(20, 'nack', 200), settle(30, 'x', 'ack', 'acked')],
      'the old token x was answered acked',
    ],
    [
      'an old token that acks what was posted anew',
      [
        post(0),
        claim(10, 'x'),
        operate(20, 'delete', 200),
        post(30, 2),
        settle(40, 'x', 'ack', 'acked'),
      ],
      'the old token x was answered acked',
    ],
    [
      'an old token that extends',
      [post(0), claim(10, 'x'), second(120, 'y'), extend(130, 'x', 50)],
      'the old token x was extended',
    ],
    [
      'two acks',
      [
        post(0),
        claim(10, 'x'),
        settle(109, 'x', 'ack', 'acked'),
        second(109, 'y'),
        settle(111, 'y', 'ack', 'acked'),
      ],
      'was acked by x and y',
    ],
    [
      'a claim after an ack',
      [post(0), claim(10, 'x'), settle(20, 'x', 'ack', 'acked'), second(30, 'y')],
      'was claimed after it had ended',
    ],
    [
      'a claim after an operator acked',
      [post(0), operate(10, 'ack', 200), claim(20, 'x')],
      'was claimed after it had ended',
    ],
    [
      'a claim after a deletion',
      [post(0), operate(10, 'delete', 200), claim(20, 'x')],
      'was claimed after it had ended',
    ],
    [
      'an expiry that does not count',
      [post(0), claim(10, 'x'), second(120, 'y', 1)],
      'not by 1 to 1',
    ],
    [
      'a release that counts',
      [post(0), claim(10, 'x'), settle(20, 'x', 'release', 'released'), second(30, 'y', 2)],
      'not by 0 to 0',
    ],
    [
      'a nack that counts twice',
      [post(0), claim(10, 'x'), settle(20, 'x', 'nack', 'nacked'), second(30, 'y', 3)],
      'not by 1 to 1',
    ],
    ['a first attempt that is none', [post(0), second(10, 'x')], 'its first attempt was 2'],
    [
      'a holder who is refused',
      [post(0), claim(10, 'x'), settle(20, 'x', 'ack', 'lost')],
      'its holder x was told that it is lost',
    ],
    ['an event that nobody posted', [post(0), claim(10, 'x', {}, 7)], 'nobody posted it there'],
    [
      'an event that is for later',
      [post(0, 1, { notBefore: 11 }), claim(10, 'x')],
      '1 ms too soon',
    ],
    [
      'an event that was refused',
      [post(0, 1, { isAccepted: false }), claim(10, 'x')],
      'was refused, and given out',
    ],
    [
      'the event that had the id before',
      [post(0), post(30, 2), claim(40, 'y', {}, 2), claim(50, 'x')],
      'was claimed after 2 had its id',
    ],
  ]
  test.for(bad)('%s', ([, happenings, words]) => {
    expect(violations(...happenings).join('; ')).toContain(words)
  })
})

describe('in the end', () => {
  const endings = (status: string | null, n: number, ...happenings: Happening[]) =>
    new LeaseHistory(happenings, RULES)
      .endings(new Map([['a', status === null ? undefined : { status, n }]]))
      .join()
  const acked = [post(0), claim(10, 'x'), settle(20, 'x', 'ack', 'acked')]
  const failed = [post(0), claim(10, 'x'), settle(20, 'x', 'nack', 'failed')]
  const nacks = [30, 40, 50].map((start) => operate(start, 'nack', null))

  test('what was acked is delivered, and what was given up is failed', () => {
    expect(endings('delivered', 1, ...acked)).toBe('')
    expect(endings('failed', 1, ...failed, ...nacks)).toBe('')
    expect(
      endings('delivered', 1, ...failed, operate(30, 'retry', 200), operate(40, 'ack', null)),
    ).toBe('')
    expect(endings(null, 1, ...acked, operate(30, 'delete', null))).toBe('')
  })

  test('it is found what was lost, what nobody ended, and what failed for no reason', () => {
    expect(endings(null, 1, ...acked)).toContain('in the end it is gone')
    expect(endings('pending', 1, ...acked)).toContain('still pending')
    expect(endings('delivered', 1, post(0), claim(10, 'x'))).toContain('nobody acked it')
    expect(endings('failed', 1, ...acked)).toContain('neither nacks nor expiries enough')
    expect(endings('delivered', 1, ...failed, operate(40, 'ack', null))).toContain(
      'was not retried',
    )
    expect(endings('delivered', 2, ...acked, post(30, 2, { isAccepted: false }))).toContain(
      'not accepted',
    )
  })
})

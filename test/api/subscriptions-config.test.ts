import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { readConfiguration } from '../../shared/config'
import { readSubscriptions, retryWaitMs } from '../../shared/subscriptions'

const mistakesIn = (value: unknown) => {
  const { subscriptions, mistakes } = readSubscriptions({ SUBSCRIPTIONS: value })
  // What is wrong anywhere leaves nothing.
  expect([value, subscriptions === null]).toEqual([value, mistakes.length > 0])
  return mistakes
}
const one = (members: object) => [{ name: 'billing', ...members }]
const filtered = (filter: unknown) => one({ filter })

describe('SUBSCRIPTIONS', () => {
  test('may be unset, empty, an array or the text of one', () => {
    for (const value of [undefined, '', '[]', []]) {
      const { subscriptions, mistakes } = readSubscriptions({ SUBSCRIPTIONS: value })
      expect([subscriptions?.named.size, mistakes]).toEqual([0, []])
    }
    const entries = [
      { name: 'billing', filter: { 'payload.type': ['a', 1, true, null] }, max_attempts: 1_000 },
      { name: 'all', retry_seconds: [0, 0.5, 604_800] },
      { name: 'inbox', filter: {}, max_attempts: 1 },
    ]
    for (const value of [entries, JSON.stringify(entries)]) {
      const { subscriptions, mistakes } = readSubscriptions({ SUBSCRIPTIONS: value })
      expect(mistakes).toEqual([])
      expect([...(subscriptions?.named.values() ?? [])]).toMatchObject([
        { name: 'billing', given: entries[0]?.filter, maxAttempts: 1_000, retrySeconds: null },
        { name: 'all', filter: null, given: null, retrySeconds: [0, 0.5, 604_800] },
        { name: 'inbox', filter: [], given: {}, maxAttempts: 1 },
      ])
    }
  })

  const BILLING = 'SUBSCRIPTIONS: "billing" '
  const kinds = 'a string, a number, true, false or null'
  const most = (length: number) => Array.from({ length }, (_, n) => n)
  const cases: [mistake: string, ...values: unknown[]][] = [
    [
      'SUBSCRIPTIONS is not a JSON array such as [{"name": "billing"}]',
      'x',
      '{}',
      'null',
      '7',
      {},
      null,
      7,
      true,
    ],
    [
      'SUBSCRIPTIONS has 101 entries; at most 100 are allowed',
      most(101).map((n) => ({ name: `s${n}` })),
    ],
    [
      'SUBSCRIPTIONS: entry 1 has no name of 1 to 64 characters of a-z 0-9 -',
      ...[null, 'a', [], {}, { name: 7 }, { name: '' }, { name: 'A' }, { name: 'a_b' }].map(
        (entry) => [{ name: 'fine' }, entry],
      ),
      [{ name: 'fine' }, { name: 'a'.repeat(65) }],
    ],
    [`${BILLING}is the name of several`, [...one({}), ...one({})]],
    [`${BILLING}has a member that is not known, "filtr"; did you mean filter?`, one({ filtr: {} })],
    [
      `${BILLING}has a member that is not known, "url"; it can have ` +
        'name, filter, max_attempts, retry_seconds',
      one({ url: 1 }),
    ],
    [
      `${BILLING}has a max_attempts that is no whole number from 1 to 1000`,
      ...[0, 1_001, 1.5, '3', null, NaN].map((max_attempts) => one({ max_attempts })),
    ],
    [
      `${BILLING}has retry_seconds that are no list of 1 to 100 numbers from 0 to 604800`,
      ...[[], most(101), [-1], [604_801], ['5'], [NaN], [null], 5, null].map((retry_seconds) =>
        one({ retry_seconds }),
      ),
    ],
    [
      `${BILLING}has a filter that is no object such as {"metadata.source": "stripe"}`,
      ...['a', [], null, 7].map(filtered),
    ],
    [
      `${BILLING}has a filter with 11 keys; at most 10 are allowed`,
      filtered(Object.fromEntries(most(11).map((n) => [`payload.a${n}`, 1]))),
    ],
    ...['payload.a b', 'payload', 'payload.', 'source', 'payload.a..b', 'payload.a.b.c.d.e.f'].map(
      (name): [string, unknown] => [
        `${BILLING}has a filter "${name}"; it must begin with payload. or metadata., ` +
          'and must name 1 to 5 keys of A-Z a-z 0-9 _ -, separated by dots',
        filtered({ [name]: 1 }),
      ],
    ),
    [
      `${BILLING}has a filter "metadata.a" whose value is not ${kinds}, or a list of 1 to 100 of them`,
      ...[{}, [], [[]], [{}], most(101), Infinity].map((value) =>
        filtered({ 'metadata.a': value }),
      ),
    ],
    [
      `${BILLING}has a filter "payload.a" with a value of more than 1000 characters`,
      filtered({ 'payload.a': ['b', 'a'.repeat(1_001)] }),
    ],
  ]
  test.for(cases)('that is wrong is refused: %s', ([mistake, ...values]) => {
    for (const value of values) expect([value, mistakesIn(value)]).toEqual([value, [mistake]])
  })

  test('may be as large as it says', () => {
    expect(mistakesIn(most(100).map((n) => ({ name: `s${n}` })))).toEqual([])
    expect(mistakesIn([{ name: 'a'.repeat(64) }])).toEqual([])
    expect(mistakesIn(one({ retry_seconds: most(100) }))).toEqual([])
    const members = most(10).map((n) => [`payload.a.b.c.d.${'e'.repeat(60)}${n}`, most(100)])
    expect(mistakesIn(filtered(Object.fromEntries(members)))).toEqual([])
    expect(mistakesIn(filtered({ 'payload.a': 'a'.repeat(1_000) }))).toEqual([])
  })

  test('has every mistake told, each with its place', () => {
    const value = [
      { name: 'a', filter: { 'payload.x y': 1, b: 2 }, max_attempts: 0 },
      {},
      { name: 'c', retry: 5 },
    ]
    expect(
      mistakesIn(value).map((each) => /^SUBSCRIPTIONS: (entry \d|"\w")/.exec(each)?.[1]),
    ).toEqual(['"a"', '"a"', '"a"', 'entry 1', '"c"'])
  })

  test('is part of the configuration, and so are its mistakes', () => {
    const good = { API_TOKENS: '[{"name":"a","token":"t","scopes":["read"]}]' }
    expect(readConfiguration(good).subscriptions?.named.size).toBe(0)
    const { subscriptions, mistakes } = readConfiguration({ ...good, SUBSCRIPTIONS: '{' })
    expect([subscriptions, mistakes]).toEqual([null, [expect.stringMatching(/^SUBSCRIPTIONS /)]])
  })

  test('is read without an exception, whatever it is', () => {
    fc.assert(
      fc.property(fc.oneof(fc.anything(), fc.json(), fc.array(fc.object())), (value) => {
        mistakesIn(value)
        mistakesIn(filtered(value))
      }),
    )
  })
})

describe('a nack is followed by a wait', () => {
  const of = (retry_seconds: number[]) =>
    readSubscriptions({ SUBSCRIPTIONS: one({ retry_seconds }) }).subscriptions?.named.get('billing')

  test('of as many seconds as the subscription says, the last again and again', () => {
    const subscription = of([5, 0, 0.25, 1_800])
    const waits = [1, 2, 3, 4, 5, 1_000].map((nacks) => retryWaitMs(subscription, nacks))
    expect(waits).toEqual([5_000, 0, 250, 1_800_000, 1_800_000, 1_800_000])
  })

  test('of 5 seconds, doubled each time up to an hour, half of it left to chance', () => {
    const plain = readSubscriptions({ SUBSCRIPTIONS: one({}) }).subscriptions?.named.get('billing')
    for (const subscription of [undefined, plain]) {
      const waits = (random: number) =>
        [1, 2, 3, 10, 11, 12, 1_000].map((nacks) => retryWaitMs(subscription, nacks, () => random))
      const hour = 3_600_000
      expect(waits(1)).toEqual([5_000, 10_000, 20_000, 2_560_000, hour, hour, hour])
      expect(waits(0)).toEqual([5_000, 5_000, 10_000, 1_280_000, hour / 2, hour / 2, hour / 2])
    }
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 10_000 }), (nacks) => {
        const wait = retryWaitMs(undefined, nacks)
        expect(Number.isInteger(wait) && wait >= 5_000 && wait <= 3_600_000).toBe(true)
      }),
    )
  })
})

import { readFileSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { inboxStatements } from '../../d1/inbox'
import { STATUSES } from '../../shared/event'
import { readSubscriptions, subscriptionsOf } from '../../shared/subscriptions'

/** Those who take an event, by what SUBSCRIPTIONS says. */
function takersOf(entries: object[], payload: unknown, metadata: unknown = null) {
  const { subscriptions, mistakes } = readSubscriptions({ SUBSCRIPTIONS: entries })
  if (!subscriptions) throw new Error(mistakes.join())
  const text = (part: unknown) => (typeof part === 'string' ? part : JSON.stringify(part))
  return subscriptionsOf(subscriptions, {
    payload: text(payload),
    metadata: metadata === null ? null : text(metadata),
  })
}

const takes = (filter: object, payload: unknown, metadata?: unknown) =>
  takersOf([{ name: 's', filter }], payload, metadata) !== undefined

describe('a filter', () => {
  const cases: [value: unknown, taken: unknown[], not: unknown[]][] = [
    ['a', ['a'], ['b', 'ab', '', 'A', ['a'], { a: 1 }, null]],
    [1, [1, '1'], [2, '1.0', true, '']],
    ['1.0', [1, '1.0'], ['1', 10]],
    ['1e2', [100, '1e2'], ['100']],
    [0, [0, -0, '0'], [false, null, '']],
    [true, [true, 'true'], [1, false, 'True']],
    [null, [null, 'null'], [0, '', false, {}, []]],
    [
      ['a', 2, false],
      ['a', '2', 2, false, 'false'],
      ['a2', true],
    ],
    ['a*', ['a', 'ab', 'a*', 'a.b.c'], ['b', 'ba', 'A', 1]],
    ['*', ['', 'a', '*', 1, true, null], [{}, [], ['a']]],
    ['a**', ['a*', 'a*b'], ['a', 'ab']],
    ['1*', [1, 12, '1', '1x'], [21, true]],
    ['*a', ['*a'], ['a', 'ba']],
    ['', [''], [0, null, false, ' ']],
    ['object', ['object'], [{}]],
    ['array', ['array'], [[]]],
  ]
  test.for(cases)('of %j takes %j, and not %j', ([value, taken, not]) => {
    for (const a of taken) expect([a, takes({ 'payload.a': value }, { a })]).toEqual([a, true])
    for (const a of not) expect([a, takes({ 'payload.a': value }, { a })]).toEqual([a, false])
    expect(takes({ 'payload.a': value }, {})).toBe(false)
    expect(takes({ 'metadata.a': value }, { a: taken[0] })).toBe(false)
    expect(takes({ 'metadata.a': value }, {}, { a: taken[0] })).toBe(true)
  })

  test('matches when all its keys do', () => {
    const filter = {
      'payload.type': 'paid',
      'payload.by.name': ['a', 'b*'],
      'metadata.source': 's',
    }
    const payload = { type: 'paid', by: { name: 'bc' } }
    expect(takes(filter, payload, { source: 's' })).toBe(true)
    expect(takes(filter, payload, { source: 't' })).toBe(false)
    expect(takes(filter, payload)).toBe(false)
    expect(takes(filter, { ...payload, type: 'sent' }, { source: 's' })).toBe(false)
    expect(takes(filter, { type: 'paid', by: 'bc' }, { source: 's' })).toBe(false)
  })

  test('finds only what the event itself has, whatever the keys are called', () => {
    for (const key of ['__proto__', 'constructor', 'toString', 'length', '0']) {
      for (const path of [key, `${key}.name`, `a.${key}`, `a.${key}.name`, `b.${key}`])
        expect([path, takes({ [`payload.${path}`]: '*' }, { a: ['x'], b: 'x' })]).toEqual([
          path,
          false,
        ])
      expect(takes({ [`payload.${key}.a`]: 'x' }, `{"${key}": {"a": "x"}}`)).toBe(true)
      expect(takes({ [`payload.${key}.a`]: 'x' }, `{"${key}": {"b": "x"}}`)).toBe(false)
    }
    expect(takes({ 'payload.__proto__.__proto__': null }, {})).toBe(false)
    expect(takes({ 'payload.polluted': '*' }, '{"__proto__": {"polluted": "x"}}')).toBe(false)
  })

  test('reads only the parts that it names, and the payload only when metadata matches', () => {
    const malformed = '{'
    const byMetadata = { 'payload.a': 1, 'metadata.source': 's' }
    expect(takersOf([], malformed, malformed)).toBeUndefined()
    expect(takersOf([{ name: 'inbox', filter: { 'payload.a': 1 } }], malformed)).toBeUndefined()
    expect(takersOf([{ name: 'a' }, { name: 'b', filter: {} }], malformed)).toEqual(['a', 'b'])
    expect(takes({ 'metadata.source': 's' }, malformed, { source: 's' })).toBe(true)
    expect(takes(byMetadata, malformed, { source: 't' })).toBe(false)
    expect(() => takes(byMetadata, malformed, { source: 's' })).toThrow()
    expect(takes({ 'payload.a': 1 }, { a: 1 }, malformed)).toBe(true)
  })

  test('compares as the listing does', () => {
    const db = new DatabaseSync(':memory:')
    db.exec(readFileSync('schema.sql', 'utf8'))
    const columns = 'event_id, status, payload, metadata, created_at, updated_at, retry_count'
    const now = '2026-11-21T00:00:00.000Z'
    const insert = db.prepare(
      `INSERT INTO events (${columns}) VALUES ('a', 'pending', ?, ?, '${now}', '${now}', 0)`,
    )
    const isListed = (path: string, value: string, payload: string, metadata: string) => {
      insert.run(payload, metadata)
      const [part = '', ...keys] = path.split('.')
      const { page } = inboxStatements({
        statuses: STATUSES,
        from: null,
        to: null,
        minRetries: null,
        maxRetries: null,
        eventId: null,
        correlationId: null,
        subscription: null,
        members: [
          {
            column: part === 'payload' ? 'payload' : 'metadata',
            path: `$${keys.map((key) => `."${key}"`).join('')}`,
            value,
          },
        ],
        sort: 'created_at',
        descending: true,
        limit: 1,
        offset: 0,
        after: null,
        body: 'full',
      })
      const found = db.prepare(page.sql).all(...page.bindings).length
      db.exec('DELETE FROM events')
      return found === 1
    }
    const text = fc.constantFrom('', 'a', '1', '1.0', '1e2', ' 1', '+1', '0x1', '-0', '1.5', '"1"')
    const name = fc.constantFrom('true', 'null', 'false', 'object', 'array', 'integer', 'ä', '😀')
    const number = fc.oneof(fc.integer({ min: -2, max: 2 }), fc.integer(), fc.double())
    const source = fc.constantFrom('1.0', '1e2', '-0', '0.0', '1E0', '10e-1', '150e-2')
    const valueText = fc.oneof(
      fc.oneof(text, name, fc.string()).map((each) => JSON.stringify(each)),
      number.map((each) => JSON.stringify(each)),
      fc.oneof(source, fc.constantFrom('true', 'false', 'null', '{}', '[]', '["a"]', '{"a": 1}')),
    )
    const wanted = fc
      .oneof(text, name, number.map(String), source, fc.string())
      .filter((each) => !each.endsWith('*'))
    // The text of the value itself, as it would be asked for, or any.
    const pair = valueText.chain((value) => {
      const own = String(JSON.parse(value))
      return fc.tuple(
        fc.constant(value),
        own.endsWith('*') ? wanted : fc.oneof(wanted, fc.constant(own)),
      )
    })
    const key = fc.constantFrom('a', '__proto__', 'length', '0', 'a-b')
    const keys = fc.array(key, { minLength: 1, maxLength: 2 })
    const part = fc.constantFrom('payload', 'metadata')
    const nested = ([first = '', ...rest]: string[], value: string): string =>
      first === '' ? value : `{"b": 1, "${first}": ${nested(rest, value)}}`
    let matched = 0
    fc.assert(
      fc.property(part, keys, keys, pair, (where, given, asked, [value, asText]) => {
        const paths = [given, asked].map((path) => [where, ...path].join('.'))
        for (const path of paths) {
          const body = nested(given, value)
          const [payload = '', metadata = ''] = where === 'payload' ? [body, '{}'] : ['{}', body]
          const isTaken = takes({ [path]: asText }, payload, metadata)
          matched += Number(isTaken)
          expect(isTaken).toBe(isListed(path, asText, payload, metadata))
        }
      }),
      { numRuns: 2_000 },
    )
    expect(matched).toBeGreaterThan(500)
  })
})

describe('an event', () => {
  const paid = { name: 'paid', filter: { 'payload.type': 'paid' } }
  const shop = { name: 'shop', filter: { 'metadata.source': 'shop' } }
  const all = { name: 'all' }
  const cases: [what: string, entries: object[], takers: string[] | undefined][] = [
    ['goes to inbox without any subscription', [], undefined],
    ['goes to inbox when no filter matches', [shop], undefined],
    [
      'goes to inbox when its entry is the only one',
      [{ name: 'inbox', max_attempts: 5 }],
      undefined,
    ],
    ['goes to inbox alone when only that matches', [{ ...paid, name: 'inbox' }, shop], undefined],
    ['goes to all that match, in their order', [all, shop, paid], ['all', 'paid']],
    ['goes to all that match, in another order', [paid, all], ['paid', 'all']],
    ['does not go to an inbox without a filter beside them', [{ name: 'inbox' }, paid], ['paid']],
    [
      'goes to an inbox whose filter matches too',
      [paid, { ...paid, name: 'inbox' }],
      ['paid', 'inbox'],
    ],
    [
      'does not go to an inbox whose filter does not match',
      [{ ...shop, name: 'inbox' }, all],
      ['all'],
    ],
    [
      'goes to an inbox whose filter is empty too',
      [{ name: 'inbox', filter: {} }, all],
      ['inbox', 'all'],
    ],
  ]
  test.for(cases)('%s', ([, entries, takers]) => {
    expect(takersOf(entries, { type: 'paid' })).toEqual(takers)
  })
})

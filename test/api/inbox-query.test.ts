import fc from 'fast-check'
import { describe, expect } from 'vitest'
import { parseTime } from '../../worker/inbox-query'
import { addRows, listed, listedAll } from '../support/listing'
import { type Row, test } from '../support/world'

const DAY_MS = 24 * 60 * 60 * 1_000
const START = Date.parse('2026-01-01T00:00:00Z')

type Query = Partial<Record<string, string>>

const words = fc.constantFrom('a', 'b', '17', 'true', 'null', '12.5', 'é "x"')
const scalar = fc.oneof(
  words,
  fc.constantFrom(17, 12.5, 0, -3, true, false, null),
  fc.constant({ id: 'a' }),
  fc.constant([1]),
)
const body = fc.record(
  { kind: scalar, n: scalar, deep: fc.record({ id: scalar }) },
  { requiredKeys: [] },
)
const minutes = fc.integer({ min: 0, max: 60 * 24 * 3 })
const rows = fc.array(
  fc.record({
    payload: body.map((value) => JSON.stringify(value)),
    metadata: fc.option(body.map((value) => JSON.stringify(value))),
    status: fc.constantFrom('pending', 'delivered', 'failed'),
    created: minutes,
    updated: minutes,
    retry_count: fc.nat({ max: 4 }),
  }),
  { minLength: 250, maxLength: 250 },
)

const time = minutes.map((each) => new Date(START + each * 60_000).toISOString())
const queries = fc
  .tuple(
    fc.record({
      status: fc
        .subarray(['pending', 'delivered', 'failed'], { minLength: 1 })
        .map((list) => list.join()),
      from: time,
      to: time,
      created_date: fc.constantFrom('2026-01-01', '2026-01-02', '2026-02-01'),
      min_retries: fc.nat({ max: 4 }).map(String),
      max_retries: fc.integer({ min: 4, max: 5 }).map(String),
      'payload.kind': words,
      'payload.deep.id': words,
      'metadata.n': words,
      sort: fc.constantFrom('created_at', 'event_id', 'updated_at', 'retry_count'),
      order: fc.constantFrom('asc', 'desc'),
      limit: fc.integer({ min: 1, max: 60 }).map(String),
    }),
    fc.subarray(
      [
        'status',
        'from',
        'to',
        'created_date',
        'min_retries',
        'max_retries',
        'payload.kind',
        'payload.deep.id',
        'metadata.n',
      ],
      { maxLength: 3 },
    ),
    fc.subarray(['sort', 'order', 'limit']),
  )
  .map(([all, filters, rest]): Query =>
    Object.fromEntries(
      Object.entries(all).filter(([name]) => [...filters, ...rest].includes(name)),
    ),
  )

/** What the query means, without SQL or an index. */
function naive(events: Row[], query: Query): string[] {
  const { from, to } = query.created_date
    ? {
        from: `${query.created_date}T00:00:00.000Z`,
        to: new Date(Date.parse(query.created_date) + DAY_MS).toISOString(),
      }
    : query
  const found = events.filter(
    (event) =>
      (!query.status || query.status.split(',').includes(event.status)) &&
      (!from || event.created_at >= from) &&
      (!to || event.created_at < to) &&
      event.retry_count >= Number(query.min_retries ?? 0) &&
      event.retry_count <= Number(query.max_retries ?? Infinity) &&
      Object.entries(query).every(([name, value]) => {
        const [column, ...keys] = name.split('.')
        if (column !== 'payload' && column !== 'metadata') return true
        const text = event[column]
        let at: unknown = text === null ? undefined : JSON.parse(text)
        for (const key of keys)
          at =
            typeof at === 'object' && at !== null && !Array.isArray(at)
              ? Reflect.get(at, key)
              : undefined
        if (typeof at === 'number') return String(at) === value
        return at === null || typeof at === 'boolean' ? String(at) === value : at === value
      }),
  )
  const sort = (query.sort ?? 'created_at') as
    | 'created_at'
    | 'event_id'
    | 'updated_at'
    | 'retry_count'
  const sign = query.order === 'asc' ? 1 : -1
  const compare = (a: Row, b: Row) =>
    a[sort] < b[sort] ? -1 : a[sort] > b[sort] ? 1 : a.event_id < b.event_id ? -1 : 1
  return found.toSorted((a, b) => sign * compare(a, b)).map((event) => event.event_id)
}

describe('a query', () => {
  test('finds what a plain filter finds, in the same order, page by page and by offset, and counts it', async ({
    inbox,
  }) => {
    const [sample = []] = fc.sample(rows, 1)
    const events = sample.map(({ created, updated, ...row }, n) => ({
      ...row,
      event_id: `e-${(n * 7919) % 251}`,
      created_at: new Date(START + created * 60_000).toISOString(),
      updated_at: new Date(START + updated * 60_000).toISOString(),
    }))
    await addRows(inbox, events)
    let found = 0
    await fc.assert(
      fc.asyncProperty(queries, fc.nat({ max: 20 }), async (given, offset) => {
        const query: Query = { ...given }
        if (query.from && query.to && query.to < query.from)
          [query.from, query.to] = [query.to, query.from]
        if (query.created_date) delete query.from
        if (query.created_date) delete query.to
        const expected = naive(events, query)
        found += expected.length
        const text = new URLSearchParams(
          Object.entries(query).map(([name, value]) => [name, value ?? '']),
        ).toString()
        expect(
          (await listedAll(inbox, `${text}&consistency=eventual`)).map((event) => event.event_id),
        ).toEqual(expected)
        const byOffset = await listed(inbox, `${text}&offset=${offset}&consistency=eventual`)
        const limit = Number(query.limit ?? 50)
        expect(byOffset.data.map((event) => event.event_id)).toEqual(
          expected.slice(offset, offset + limit),
        )
        // Unfiltered or by status, the total comes from the counters; these rows are in none.
        const filtered = Object.keys(query).some(
          (name) => !['status', 'sort', 'order', 'limit'].includes(name),
        )
        if (filtered) expect(byOffset.total).toBe(expected.length)
      }),
      { numRuns: 150 },
    )
    expect(found).toBeGreaterThan(1_000)
  }, 300_000)

  test('takes times with an offset, and includes from but not to', async ({ inbox }) => {
    expect(parseTime('2026-11-21')).toBe(Date.parse('2026-11-21T00:00:00Z'))
    expect(parseTime('2026-11-21T08:30+02:00')).toBe(Date.parse('2026-11-21T06:30:00Z'))
    expect(parseTime('2026-11-21T08:30:00.5 02:00')).toBe(Date.parse('2026-11-21T06:30:00.500Z'))
    for (const bad of [
      '2026-02-30',
      '2026-13-01',
      'yesterday',
      '2026-11-21T25:00Z',
      '2026-11-21T08:30',
      '21.11.2026',
      '9999-12-31T23:59:59-01:00',
      '',
    ])
      expect(parseTime(bad)).toBeNull()
    await addRows(inbox, [
      {
        event_id: 'edge',
        payload: '{}',
        metadata: null,
        status: 'pending',
        created_at: '2030-01-01T00:00:00.000Z',
        updated_at: '2030-01-01T00:00:00.000Z',
        retry_count: 0,
      },
    ])
    const ids = async (query: string) =>
      (await listed(inbox, `consistency=eventual&${query}`)).data.map((event) => event.event_id)
    expect(await ids('from=2030-01-01')).toEqual(['edge'])
    expect(await ids('from=2029-12-31&to=2030-01-01')).toEqual([])
    expect(await ids('from=2030-01-01T01:00:00%2B01:00&to=2030-01-02')).toEqual(['edge'])
  })

  test('leaves the total out with count=false, and takes it from the counters by status', async ({
    inbox,
  }) => {
    await inbox.postId('counted')
    expect(await listed(inbox, 'limit=1&count=false')).not.toHaveProperty('total')
    expect((await listed(inbox, 'limit=1')).total).toBe(1)
    expect((await listed(inbox, 'limit=1&status=delivered,failed')).total).toBe(0)
  })

  test('names what is wrong with each parameter, and what is probably meant', async ({ inbox }) => {
    const cases = [
      ['statu=pending', 'statu', 'did you mean status?'],
      ['create_date=2026-01-01', 'create_date', 'did you mean created_date?'],
      ['x=1', 'x', 'known are status, from'],
      ['status=done', 'status', 'one or more of pending, delivered, failed'],
      ['status=', 'status', 'one or more of'],
      ['from=yesterday', 'from', 'ISO 8601'],
      ['to=2026-02-30', 'to', 'ISO 8601'],
      ['created_date=2026-01-01T00:00:00Z', 'created_date', 'must be a date'],
      ['created_date=2026-01-01&from=2026-01-01', 'created_date', 'cannot be combined'],
      ['min_retries=-1', 'min_retries', 'whole number'],
      ['min_retries=3&max_retries=2', 'max_retries', 'must not be below'],
      ['payload.=1', 'payload.', 'must name 1 to 5 keys'],
      ['payload.a%22b=1', 'payload.a"b', 'must name 1 to 5 keys'],
      ['payload.a.b.c.d.e.f=1', 'payload.a.b.c.d.e.f', 'must name 1 to 5 keys'],
      [`metadata.a=${'x'.repeat(1_001)}`, 'metadata.a', 'at most 1000 characters'],
      ['sort=status', 'sort', 'created_at or event_id or updated_at or retry_count'],
      ['order=up', 'order', 'desc or asc'],
      ['limit=0', 'limit', 'from 1 to 1000'],
      ['count=no', 'count', 'true or false'],
      ['consistency=none', 'consistency', 'strong or eventual'],
      ['cursor=abc', 'cursor', 'not one that this inbox made'],
      ['status=pending&status=failed', 'status', 'more than once'],
      [
        Array.from({ length: 11 }, (_, n) => `payload.k${n}=1`).join('&'),
        'payload.k10',
        'at most 10',
      ],
    ] as const
    for (const [query, parameter, detail] of cases) {
      const { status, body: problem } = await inbox.get(`/inbox?${query}`)
      expect([query, status, problem.code]).toEqual([query, 400, 'INVALID_PARAMETER'])
      expect(problem.errors).toContainEqual({ parameter, detail: expect.stringContaining(detail) })
    }
  })
})

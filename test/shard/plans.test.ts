import { test as base, expect } from 'vitest'
import { INBOX_OPTIONS, start, withSchema } from '../../bench/runtime'
import type { Sent } from '../support/around-d1'
import { clientOf } from '../support/world'

/** The real worker, and how D1 goes about each statement that it sends. */
const test = base
  .extend('options', { scope: 'file' }, async () => {
    const { assets: _, ...options } = INBOX_OPTIONS
    return options
  })
  .extend('inbox', { scope: 'file' }, async ({ options }, { onCleanup }) => {
    const worker = await start('recording', 'test/support/recording-worker.ts', options)
    onCleanup(() => worker.stop())
    await withSchema(worker)
    const db = await worker.database()
    const fetched = (path: string) => fetch(new URL(path, worker.url))
    const planOf = async ({ sql, values }: Sent) => {
      const plan = db.prepare(`EXPLAIN QUERY PLAN ${sql}`).bind(...values)
      return summaryOf((await plan.all<Step>()).results)
    }
    /** The plans of what D1 was sent since it was last asked, each once. */
    const plans = async () => {
      const sent: Sent[] = await (await fetched('/sent')).json()
      const queries = new Map(sent.map((each) => [each.sql, each]))
      return Promise.all([...queries.values()].map(planOf))
    }
    return { ...clientOf(worker.url), plans, prune: () => fetched('/prune?days=0') }
  })

interface Step {
  id: number
  parent: number
  detail: string
}

/** How a statement finds rows of tables, and whether it sorts them: not what it does with the few of a page. */
function summaryOf(steps: Step[]) {
  const reads = steps.filter(({ detail }) =>
    /^(SCAN|SEARCH) (events|letters|dead_letters|fences|old)\b/.test(detail),
  )
  const sorted = steps.filter(({ detail }) => detail.startsWith('USE TEMP B-TREE'))
  return {
    reads: reads.map(({ detail }) => detail),
    sorts: sorted.some(({ parent }) => reads.some((read) => read.parent === parent)),
  }
}

const BY_ID = 'SEARCH events USING PRIMARY KEY (event_id=?)'
const BY_STATUS = 'SEARCH events USING INDEX events_by_status (status=?)'
const NEWEST_FIRST = 'SCAN events USING INDEX events_by_time'
/** Of a letter of the version before: whether it is there under the name of its subscription as well. */
const SAME_FAILURE =
  'SEARCH letters USING COVERING INDEX letters_by_time (failed_at=? AND event_id=?)'

/**
 * The reads of a listing, beside those of the rows of its page; then those of its total, and of where the next page
 * goes on.
 */
const LISTINGS: [query: string, ...reads: string[][]][] = [
  ['', [NEWEST_FIRST]],
  ['order=asc', [NEWEST_FIRST]],
  ['status=pending', [BY_STATUS]],
  ['status=pending,failed', [BY_STATUS, BY_STATUS]],
  [
    'from=2026-01-01&to=2027-01-01',
    ['SEARCH events USING INDEX events_by_time (created_at>? AND created_at<?)'],
    ['SEARCH events USING COVERING INDEX events_by_time (created_at>? AND created_at<?)'],
  ],
  [
    'status=failed&from=2026-01-01',
    ['SEARCH events USING INDEX events_by_status (status=? AND created_at>?)'],
    ['SEARCH events USING COVERING INDEX events_by_status (status=? AND created_at>?)'],
  ],
  // In the order of the primary key.
  ['sort=event_id', ['SCAN events']],
  [
    'min_retries=1&status=pending',
    [BY_STATUS],
    [BY_STATUS],
    ['SEARCH events USING COVERING INDEX events_by_status (status=?)'],
  ],
  [
    'payload.order=17',
    [NEWEST_FIRST],
    [NEWEST_FIRST],
    ['SCAN events USING COVERING INDEX events_by_time'],
  ],
]

for (const [query, page = [], ...more] of LISTINGS) {
  test(`GET /inbox?${query} is answered from an index, without sorting`, async ({ inbox }) => {
    await inbox.plans()
    expect((await inbox.get(`/inbox?consistency=eventual&${query}`)).status).toBe(200)
    const expected = [[...page, BY_ID], ...more].map((reads) => ({ reads, sorts: false }))
    expect((await inbox.plans()).toSorted(byReads)).toEqual(expected.toSorted(byReads))
  })
}

const byReads = (a: { reads: string[] }, b: { reads: string[] }) =>
  String(a.reads) < String(b.reads) ? -1 : 1

test('the next page begins where the index has the last one’s end', async ({ inbox }) => {
  for (let n = 0; n < 3; n++) await inbox.postId(`paged-${n}`)
  const first = await inbox.get('/inbox?limit=1&status=pending')
  const { next_cursor } = first.body as unknown as { next_cursor: string }
  await inbox.plans()
  const query = `status=pending&limit=1&count=false&consistency=eventual&cursor=${next_cursor}`
  expect((await inbox.get(`/inbox?${query}`)).status).toBe(200)
  const range =
    'SEARCH events USING INDEX events_by_status (status=? AND (created_at,event_id)<(?,?))'
  expect(await inbox.plans()).toEqual([{ reads: [range, BY_ID], sorts: false }])
})

test('only a listing by what no index knows sorts events', async ({ inbox }) => {
  await inbox.plans()
  for (const sort of ['updated_at', 'retry_count']) {
    await inbox.get(`/inbox?consistency=eventual&count=false&status=failed&sort=${sort}`)
    expect(await inbox.plans()).toEqual([{ reads: [BY_STATUS, BY_ID], sorts: true }])
  }
})

test('whatever is written, read by id, recorded, redriven, deleted or pruned is found by an index', async ({
  inbox,
}) => {
  await inbox.plans()
  const ids = ['delivered', 'failed', 'deleted']
  for (const id of ids) await inbox.postId(id)
  await inbox.ack('delivered')
  for (let nacks = 0; nacks < 3; nacks++) await inbox.nack('failed')
  await inbox.drained()
  await expect.poll(async () => (await inbox.deadLetters()).length).toBe(1)
  await inbox.retry('failed')
  await inbox.call('DELETE', '/inbox/deleted')
  await inbox.get('/inbox')
  await inbox.get('/inbox/delivered')
  const afterPruning = async () => {
    await inbox.prune()
    return (await inbox.client.list()).data
  }
  await expect.poll(afterPruning).toHaveLength(4)
  const plans = await inbox.plans()
  const reads = new Set(plans.flatMap((plan) => plan.reads))
  expect([...reads].filter((read) => !read.includes(' USING '))).toEqual([])
  expect(plans.filter(({ sorts }) => sorts)).toEqual([])
  // Each kind of statement was among them.
  expect([...reads].toSorted()).toEqual([
    NEWEST_FIRST,
    'SCAN letters USING INDEX letters_by_time',
    'SCAN old USING INDEX dead_letters_by_time',
    'SEARCH dead_letters USING PRIMARY KEY (event_id=?)',
    'SEARCH events USING INDEX events_by_status (status=? AND (created_at,event_id)>(?,?) AND created_at<?)',
    BY_ID,
    'SEARCH fences USING PRIMARY KEY (shard=?)',
    SAME_FAILURE,
    'SEARCH letters USING PRIMARY KEY (event_id=? AND subscription=?)',
    'SEARCH old USING PRIMARY KEY (event_id=?)',
  ])
})

test('a search for dead letters reads the newest ones by their index, and sorts only what it found', async ({
  inbox,
}) => {
  const newest = [
    'SCAN letters USING INDEX letters_by_time',
    'SCAN old USING INDEX dead_letters_by_time',
    SAME_FAILURE,
  ]
  await inbox.plans()
  for (const query of ['reason=no', 'subscription=inbox', 'group=reason']) {
    expect((await inbox.get(`/dlq?${query}`)).status).toBe(200)
    // What is listed, and how many there are.
    expect(await inbox.plans()).toEqual(Array(2).fill({ reads: newest, sorts: false }))
  }
})

test('a comparison with D1 finds dead letters by an index, in the order of their ids', async ({
  inbox,
}) => {
  await inbox.plans()
  await inbox.verify()
  const plans = await inbox.plans()
  const ofLetters = plans.filter(({ reads }) => reads.some((read) => read.includes(' letters ')))
  const range = 'USING PRIMARY KEY (event_id>? AND event_id<?)'
  const [letters, former] = [`SEARCH letters ${range}`, `SEARCH old ${range}`]
  // First to find where the page ends.
  const reads = [letters, letters, former, SAME_FAILURE, former, SAME_FAILURE]
  expect(ofLetters).toEqual([{ reads, sorts: false }])
})

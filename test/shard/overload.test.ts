import { expect } from 'vitest'
import type { NewEvent } from '../../shared/event'
import { LIMITS } from '../../shared/limits'
import { idOf } from '../support/shards'
import { test as base } from '../support/steering'

const test = base.override('vars', { SHARD_COUNT: '2' })

const text = 'x'.repeat(1_000_000)
const MOST = Math.floor(LIMITS.SHARD_CHARS_UNDER_WAY / 1_000_100)

test('a shard with too much under way sends more back, stores nothing of that, and leaves all others alone', async ({
  inbox,
  steer,
}) => {
  const busy = inbox.shard(0)
  const large = (event_id: string): NewEvent => ({
    event_id,
    payload: JSON.stringify({ text }),
    metadata: null,
    correlation_id: 'c',
  })
  await inbox.postId(idOf(0, 'first'))
  await inbox.postId(idOf(1, 'first'))
  await inbox.drained()
  await steer({ hold: ['commits'] })
  const answers: string[] = []
  const calls = Array.from({ length: MOST + 4 }, async (_, n) => {
    const [outcome] = await busy.accept([large(`large-${n}`)], [2])
    answers.push(outcome && 'busy' in outcome ? 'busy' : String(outcome?.outcome))
  })
  await expect.poll(() => answers).toEqual(Array(4).fill('busy'))

  const single = await inbox.post({ event_id: idOf(0, 'single'), payload: { text } })
  expect([single.status, single.body.code]).toEqual([503, 'UNAVAILABLE'])
  expect(single.body.detail).toContain('too much to store at once')
  expect(Number(single.headers.get('Retry-After'))).toBeGreaterThan(0)
  const batch = inbox.call<{ status: string; error?: { code: string } }[]>('POST', '/events', [
    { event_id: idOf(0, 'batched'), payload: { text } },
    { event_id: idOf(1, 'batched'), payload: { text } },
  ])
  // Its other half waits for a commit; the busy shard was asked before that one.
  await expect.poll(() => steer()).toMatchObject({ commits: 2, writes: 0 })
  expect(await busy.accept([large('marker')], [2])).toEqual([{ outcome: 'unanswered', busy: true }])
  const small = inbox.post({ event_id: idOf(0, 'small'), payload: {} })
  await steer({ hold: [] })

  expect((await small).status).toBe(202)
  expect((await batch).body.data).toMatchObject([
    { status: 'rejected', error: { code: 'UNAVAILABLE' } },
    { status: 'accepted' },
  ])
  await Promise.all(calls)
  expect(answers.slice(4)).toEqual(Array(MOST).fill('accepted'))
  // What was sent back is not known; sent again, it is taken.
  expect((await inbox.metrics()).total).toBe(MOST + 4)
  for (const name of ['single', 'batched'])
    expect((await inbox.post({ event_id: idOf(0, name), payload: { text } })).status).toBe(202)
  await inbox.drained()
  await inbox.expectVerified()
})

test('a call that alone is more than that is taken when nothing else is under way', async ({
  inbox,
}) => {
  const events = Array.from({ length: MOST + 2 }, (_, n) => ({
    event_id: `alone-${n}`,
    payload: JSON.stringify({ text }),
    metadata: null,
    correlation_id: 'c',
  }))
  const outcomes = await inbox.shard(1).accept(events, [2])
  expect(new Set(outcomes.map(({ outcome }) => outcome))).toEqual(new Set(['accepted']))
})

import { expect } from 'vitest'
import { test } from '../../support/steering'
import type { Inbox } from '../../support/world'
import { hmac } from './deliveries'

/** What a sender hears while a shard is away: some senders never send again. */

const post = async (inbox: Inbox, id: string) => {
  const body = '{"action":"opened"}'
  const response = await fetch(new URL('/in/github', inbox.url), {
    method: 'POST',
    headers: {
      'Content-Type': 'application/json',
      'X-GitHub-Delivery': id,
      'X-Hub-Signature-256': `sha256=${hmac('development-secret', body)}`,
    },
    body,
  })
  return {
    status: response.status,
    retryAfter: response.headers.get('Retry-After'),
    body: (await response.json()) as { code: string; data: { event_id: string } },
  }
}

// First of all: this worker has not asked the first shard for anything yet.
test('a worker that has just started asks again too', async ({ inbox, steer }) => {
  for (const fault of ['reset', 'throw', 'hold'] as const) {
    await steer({ faults: { noteShardCount: fault } })
    const away = await post(inbox, `cold-${fault}`)
    expect([away.status, away.body.code]).toEqual([503, 'UNAVAILABLE'])
    await steer({ faults: {} })
  }
  expect((await post(inbox, 'cold-reset')).status).toBe(200)
})

test('a shard that is away for a moment is asked again, and has the event once', async ({
  inbox,
  steer,
}) => {
  for (const fault of ['reset', 'reset after', 'hold'] as const) {
    let tries = 0
    // On a machine that is starved a moment may be longer than it is asked again.
    const deliver = async () => {
      await steer({ faults: { accept: fault } })
      const delivering = post(inbox, `${fault}-${++tries}`)
      // By the time another request was refused, the first try has failed too.
      if (fault !== 'hold') await inbox.post({ event_id: `meanwhile-${tries}`, payload: {} })
      await steer({ faults: {} })
      const { status, body } = await delivering
      if (status === 200) expect((await inbox.get(`/inbox/${body.data.event_id}`)).status).toBe(200)
      return [fault, status]
    }
    await expect.poll(deliver, { timeout: 40_000 }).toEqual([fault, 200])
  }
})

test('a shard that stays away is a 503 within a few seconds, and the sender may come again', async ({
  inbox,
  steer,
}) => {
  for (const fault of ['reset', 'hold'] as const) {
    await steer({ faults: { accept: fault } })
    const away = await post(inbox, `away-${fault}`)
    expect([away.status, away.body.code, away.retryAfter]).toEqual([503, 'UNAVAILABLE', '2'])
    await steer({ faults: {} })
    expect((await post(inbox, `away-${fault}`)).status).toBe(200)
  }
})

test('refusals that a shard could not be told of are told with the next delivery', async ({
  inbox,
  steer,
}) => {
  const scraped = async () => {
    const { text } = await inbox.get('/metrics?format=prometheus')
    return Number(/source_refused_total\{source="github"\} (\d+)/.exec(text)?.[1])
  }
  const before = await scraped()
  const unsigned = () => fetch(new URL('/in/github', inbox.url), { method: 'POST', body: '{}' })
  for (let n = 0; n < 5; n++) expect((await unsigned()).status).toBe(401)
  await steer({ faults: { accept: 'reset' } })
  expect((await post(inbox, 'refusals')).status).toBe(503)
  await steer({ faults: {} })
  expect((await post(inbox, 'refusals')).status).toBe(200)
  await expect.poll(scraped).toBe(before + 5)
})

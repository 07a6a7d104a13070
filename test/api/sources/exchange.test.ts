import { createHmac } from 'node:crypto'
import { sign } from '@octokit/webhooks-methods'
import { expect } from 'vitest'
import { type Inbox, test } from '../../support/world'

/** What docs/sources.md shows, as the senders' own libraries make it, with the secrets of `.dev.vars`. */

/** Posts a body as a sender does, without a token. */
async function post(
  inbox: Inbox,
  source: string,
  body: string,
  headers: Record<string, string>,
): Promise<{ status: number; data: { event_id: string; status: string } }> {
  const response = await fetch(new URL(`/in/${source}`, inbox.url), {
    method: 'POST',
    headers: { 'Content-Type': 'application/json; charset=utf-8', ...headers },
    body,
  })
  const { data } = (await response.json()) as { data: { event_id: string; status: string } }
  return { status: response.status, data }
}

// What a parser would alter: numbers, white space, equal names, characters beyond ASCII.
const ODD = '"n": 12345678901234567890, "x": 1.0, "n": 1e2,  "söng": "\\u00e9 𝄞"'

test("a delivery that GitHub's library signed is stored byte for byte, once", async ({ inbox }) => {
  const body = `{"action": "opened", ${ODD}}`
  const headers = {
    'X-GitHub-Event': 'issues',
    'X-GitHub-Delivery': '72d3162e-cc78-11e3-81ab-4c9367dc0958',
    'X-Hub-Signature-256': await sign('development-secret', body),
  }
  const first = await post(inbox, 'github', body, headers)
  expect(first).toMatchObject({ status: 200, data: { status: 'accepted' } })
  const { event_id } = first.data
  expect(event_id).toMatch(/^github-/)
  expect(await post(inbox, 'github', body, headers)).toEqual({
    status: 200,
    data: { event_id, status: 'duplicate' },
  })

  const event = await inbox.get(`/inbox/${event_id}`)
  expect(event.text).toContain(`"payload":${body},"metadata":`)
  expect(event.body.data.metadata).toMatchObject({
    source: 'github',
    type: 'issues',
    id: headers['X-GitHub-Delivery'],
    content_type: 'application/json; charset=utf-8',
  })
  expect(event.text).not.toContain('x-hub-signature')
})

test("a delivery with the header of Stripe's library is stored byte for byte, once", async ({
  inbox,
}) => {
  // The library is too large to be a dependency: scripts/check-sources.ts holds this format against it.
  const body = `{\n  "id": "evt_1",\n  "object": "event",\n  "type": "invoice.paid",\n  ${ODD}\n}`
  const signed = (at: number) => {
    const v1 = createHmac('sha256', 'whsec_development').update(`${at}.${body}`).digest('hex')
    return { 'Stripe-Signature': `t=${at},v1=${v1},v0=${'0'.repeat(64)}` }
  }
  const now = Math.floor(Date.now() / 1_000)
  const first = await post(inbox, 'stripe', body, signed(now - 10))
  expect(first).toMatchObject({ status: 200, data: { status: 'accepted' } })
  const { event_id } = first.data
  expect(event_id).toMatch(/^stripe-/)
  // It signs each try anew.
  expect(await post(inbox, 'stripe', body, signed(now))).toEqual({
    status: 200,
    data: { event_id, status: 'duplicate' },
  })

  const event = await inbox.get(`/inbox/${event_id}`)
  expect(event.text).toContain(`"payload":${body},"metadata":`)
  expect(event.body.data.metadata).toMatchObject({
    source: 'stripe',
    type: 'invoice.paid',
    id: 'evt_1',
  })
})

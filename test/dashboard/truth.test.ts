import { describe, expect } from 'vitest'
import { card, test } from '../support/browser'
import { relay, startServer, storageFolder } from '../support/server-process'

/** Nothing is shown that is not so. */

test('an ack while the service is away is not shown as done, and that is said once', async ({
  open,
}) => {
  const { url, to } = await relay()
  const server = await startServer(storageFolder())
  to(server.url)
  await server.postId('away')
  const page = await open('#/inbox', { url: url.href })
  const button = page.getByRole('button', { name: 'Ack away', exact: true })
  await button.waitFor()
  await page.evaluate('document.querySelector("event-inbox").refreshSeconds = 1')
  await server.stop()
  const place = await button.boundingBox()
  await button.click()
  await page.getByRole('alert').filter({ hasText: 'away: The service cannot be reached' }).waitFor()
  const row = page.locator('tbody tr')
  expect(await row.innerText()).toContain('Pending')
  expect(await page.getByText('acknowledged').count()).toBe(0)
  // The counts cannot be had either: both are told of, each in one place.
  await page.getByRole('alert').filter({ hasText: 'Trying again' }).waitFor()
  expect(await page.getByRole('alert').filter({ hasText: 'away:' }).count()).toBe(1)
  // Nor does either move what the hand is at.
  expect(await button.boundingBox()).toEqual(place)
}, 120_000)

test('a list that cannot be had moves none of the rows that are there', async ({ inbox, open }) => {
  await inbox.post({ event_id: 'still', payload: { set: 'still' } })
  const page = await open('#/inbox?payload.set=still')
  const link = page.getByRole('link', { name: 'still', exact: true })
  await link.waitFor()
  const place = await link.boundingBox()
  await page.route('**/inbox?**', (route) => route.fulfill({ status: 500, body: 'no' }))
  await inbox.post({ event_id: 'newer', payload: { set: 'still' } })
  await page.evaluate('document.dispatchEvent(new Event("visibilitychange"))')
  await page.getByRole('alert').waitFor()
  expect(await link.boundingBox()).toEqual(place)
})

test('the overview says first what wants attention', async ({ inbox, open }) => {
  const page = await open()
  await page.getByRole('heading', { name: 'Nothing wants attention' }).waitFor()
  const metrics = await inbox.metrics()
  await page.route('**/metrics', async (route) => {
    const [first] = metrics.subscriptions
    const late = { ...first, name: 'mail', claimed: 1, oldest_ready_seconds: 300 }
    const byHand = { ...first, name: 'inbox', claimed: 0, oldest_ready_seconds: 9_000 }
    const changed = { dlq_count: 3, oldest_unstored_seconds: 40, queue_depth: 7 }
    const data = { ...metrics, ...changed, subscriptions: [byHand, late] }
    await route.fulfill({ json: { data, timestamp: metrics.last_processed_at } })
  })
  await page.evaluate('document.dispatchEvent(new Event("visibilitychange"))')
  const state = page.getByRole('region', { name: 'Wants attention' })
  await state.getByRole('link', { name: 'mail is 5 min behind' }).waitFor()
  await state.getByText('7 events not in D1 for 40 s').waitFor()
  expect(await state.getByText('inbox is').count()).toBe(0)
  await page.unroute('**/metrics')
  await state.getByRole('link', { name: '3 dead letters' }).click()
  await page.getByRole('heading', { name: 'Dead letters' }).waitFor()
  expect((await inbox.metrics()).dlq_count).toBe(0)
})

test('groups of more dead letters than are looked at say so', async ({ open }) => {
  const group = {
    reason: 'many',
    count: 10_000,
    newest_failed_at: '2026-01-01T00:00:00.000Z',
    subscriptions: ['inbox'],
  }
  const page = await open()
  await page.route('**/dlq?group=reason*', (route) =>
    route.fulfill({ json: { data: [group], complete: false, timestamp: group.newest_failed_at } }),
  )
  await page.getByRole('link', { name: 'Dead letters', exact: true }).click()
  await page.getByRole('button', { name: 'Redrive 10,000 or more with the reason many' }).click()
  await page.getByRole('dialog', { name: 'Redrive 10,000 or more dead letters?' }).waitFor()
})

describe('filters', () => {
  test('ask for what is missing: a key without a value, a value without a key', async ({
    inbox,
    open,
  }) => {
    await inbox.post({ event_id: 'keyed', payload: { key: 'found' } })
    const page = await open('#/inbox')
    const form = page.getByRole('form', { name: 'Find events' })
    const isComplete = () =>
      form.evaluate((element) => Reflect.get(element, 'checkValidity').call(element))
    await page.getByLabel('Find by').selectOption('Payload member')
    await page.getByLabel('Key', { exact: true }).fill('key')
    await page.getByRole('button', { name: 'Find' }).click()
    expect([await isComplete(), page.url().includes('payload')]).toEqual([false, false])
    await page.getByLabel('Key', { exact: true }).fill('')
    await page.getByLabel('Value', { exact: true }).fill('found')
    await page.getByRole('button', { name: 'Find' }).click()
    expect([await isComplete(), page.url().includes('payload')]).toEqual([false, false])
    await page.getByLabel('Key', { exact: true }).fill('key')
    await page.getByRole('button', { name: 'Find' }).click()
    await page.getByText('1 shown of 1').waitFor()
    await page.getByRole('button', { name: 'Remove the filter payload.key found' }).click()
    await expect.poll(() => page.url()).not.toContain('payload')
  })

  test('tell of a refused event only where it would be listed', async ({ inbox, open }) => {
    await inbox.refuse('INSERT', "NEW.event_id = 'refused'")
    await inbox.post({ event_id: 'refused', payload: {} })
    await expect.poll(async () => (await inbox.metrics()).failed).toBe(1)
    const page = await open('#/inbox')
    const told = page.getByText('1 event refused by the database, among the dead letters only')
    await told.waitFor()
    await page.getByRole('checkbox', { name: 'Failed' }).check({ force: true })
    await expect.poll(() => page.url()).toContain('status=failed')
    await told.waitFor()
    await page.goto(`${inbox.url.href}#/inbox?status=delivered`)
    await page.getByText(/shown of/).waitFor()
    await expect.poll(() => told.count()).toBe(0)
    await inbox.takeAgain()
    await inbox.retry('refused')
  })
})

test('the card of the last minute has its events, and says what its rate is of', async ({
  inbox,
  open,
}) => {
  await inbox.postId('rated')
  const page = await open()
  await page.getByText('Delivery rate').waitFor()
  const shown = async () => Number(await card(page, 'Events in the last minute'))
  const { per_minute } = await inbox.metrics()
  // The minute before the present one; a minute may end between the two looks.
  const counts = per_minute.slice(-3).map(({ accepted }) => accepted)
  expect(counts).toContain(await shown())
  await page.getByText('a minute written, over 5 minutes').waitFor()
})

test('what was typed to be sent outlives a look at another view, and the answer is a link', async ({
  open,
}) => {
  const page = await open('#/send')
  const payload = page.getByLabel('Payload, a JSON object')
  await payload.fill('{"typed": true}')
  await page.getByRole('link', { name: 'Overview' }).click()
  await page.getByText('Delivery rate').waitFor()
  await page.getByRole('link', { name: 'Send' }).click()
  expect(await payload.inputValue()).toBe('{"typed": true}')
  await page.getByRole('button', { name: 'Send' }).click()
  await page.getByText('Accepted as').getByRole('link').click()
  await page.getByRole('dialog').getByText('"typed": true').waitFor()
})

test('the chart shows accepted beside stored, and leads to the events behind a bar', async ({
  inbox,
  open,
}) => {
  await inbox.postId('charted')
  const page = await open()
  await page.locator('inbox-chart rect.accepted').first().waitFor()
  // The line of what is stored has no area that could hide a bar.
  expect(
    await page
      .locator('inbox-chart path.stored')
      .first()
      .evaluate((path) => Reflect.get(globalThis, 'getComputedStyle')(path).fill),
  ).toBe('none')
  await page.getByRole('link', { name: /^Most at/ }).click()
  await page.locator('tbody a.id').first().waitFor()
  expect(page.url()).toMatch(/from=.*&to=/)
  await page.goBack()
  await page.getByRole('button', { name: 'Day' }).click()
  await page.getByRole('heading', { name: 'Last day, events an hour' }).waitFor()
  await page.locator('inbox-chart rect.accepted').first().waitFor()
  await page.getByRole('button', { name: 'Month' }).click()
  await page.getByRole('list', { name: 'Events in the last month' }).waitFor()
})

import type { Page } from 'playwright-core'
import { describe, expect } from 'vitest'
import { test } from '../support/browser'

/** Nothing comes under a hand that was not there when it set out. */

const button = (page: Page, name: string | RegExp) =>
  page.getByRole('button', { name, exact: typeof name === 'string' })
const refresh = (page: Page) =>
  page.evaluate('document.dispatchEvent(new Event("visibilitychange"))')

describe('an open event', () => {
  test('stays on the screen while it works, however far the list is scrolled', async ({
    inbox,
    open,
  }) => {
    const events = Array.from({ length: 60 }, (_, n) => ({
      event_id: `far-${n}`,
      payload: { set: 'far' },
    }))
    await inbox.call('POST', '/events', events)
    const page = await open('#/inbox?payload.set=far&sort=created_at+asc&limit=100', {
      reducedMotion: 'reduce',
    })
    await page.getByText('60 shown of 60').waitFor()
    const held = Promise.withResolvers<void>()
    await page.route('**/inbox/far-*/ack', async (route) => {
      await held.promise
      await route.continue()
    })
    await page.locator('tbody a.id').last().click()
    const dialog = page.getByRole('dialog')
    const place = await dialog.boundingBox()
    expect(place).toMatchObject({ y: 0 })
    await dialog.getByRole('button', { name: 'Acknowledge' }).click()
    await page.locator('dialog[aria-busy=true]').waitFor()
    expect(await dialog.boundingBox()).toEqual(place)
    held.resolve()
    await page.locator('dialog[aria-busy=false]').waitFor()
  })

  test('has a place for each of its buttons, whatever becomes of it and is said of it', async ({
    inbox,
    open,
  }) => {
    await inbox.postId('placed')
    const page = await open('#/inbox?event=placed', {
      permissions: ['clipboard-read', 'clipboard-write'],
      reducedMotion: 'reduce',
    })
    const dialog = page.getByRole('dialog', { name: 'placed' })
    const names = ['Copy as curl', 'Delete', 'Nack', 'Acknowledge', 'Retry']
    const places: Record<string, { x: number; y: number; width: number }> = {}
    const look = async () => {
      for (const name of names) {
        const found = dialog.getByRole('button', { name })
        const place = (await found.count()) > 0 ? await found.boundingBox() : null
        if (place) expect([name, place]).toEqual([name, (places[name] ??= place)])
      }
    }
    await dialog.getByRole('button', { name: 'Acknowledge' }).waitFor()
    await look()
    await dialog.getByRole('button', { name: 'Copy as curl' }).click()
    await page.getByText('Command copied.').waitFor()
    await look()
    for (let n = 0; n < 3; n++) await inbox.nack('placed', 'no')
    await refresh(page)
    await dialog.getByRole('button', { name: 'Retry' }).waitFor()
    await look()
    await inbox.retry('placed')
    await inbox.ack('placed')
    await refresh(page)
    await dialog.getByText('Delivered').waitFor()
    await look()
    const inOrder = Object.values(places).toSorted((a, b) => a.x - b.x)
    expect(inOrder.length).toBe(names.length)
    inOrder.slice(1).forEach((place, index) => {
      const { x = 0, width = 0 } = inOrder[index] ?? {}
      expect(place.x).toBeGreaterThan(x + width)
    })
  })
})

test('the bar above the rows is as high with a selection, and with news, as without', async ({
  inbox,
  open,
}) => {
  for (const n of [1, 2]) await inbox.post({ event_id: `bar-${n}`, payload: { set: 'bar' } })
  for (const width of [320, 375, 1_280]) {
    const page = await open('#/inbox?payload.set=bar', { viewport: { width, height: 800 } })
    const first = page.getByLabel('Select bar-1')
    const place = await first.boundingBox()
    await first.check()
    await page.getByText('1 selected').waitFor()
    expect([width, await first.boundingBox()]).toEqual([width, place])
    await inbox.post({ event_id: `news-${width}`, payload: { set: 'bar' } })
    await inbox.drained()
    await refresh(page)
    await button(page, '1 new event: show').waitFor()
    expect([width, await first.boundingBox()]).toEqual([width, place])
    await inbox.call('DELETE', `/inbox/news-${width}`)
  }
})

test('what is said covers nothing at the end of the page', async ({ inbox, open }) => {
  const events = Array.from({ length: 30 }, () => ({ payload: { set: 'end' } }))
  await inbox.call('POST', '/events', [{ event_id: 'end-1', payload: { set: 'end' } }, ...events])
  const page = await open('#/inbox?payload.set=end&limit=25&sort=created_at+asc')
  await page.getByText('25 shown of 31').waitFor()
  await page.route('**/inbox/end-1/ack', (route) => route.abort(), { times: 1 })
  await button(page, 'Ack end-1').click()
  await page.getByRole('alert').waitFor()
  await page.evaluate('scrollTo(0, document.documentElement.scrollHeight)')
  // The pointer reaches it.
  await button(page, 'Older').click({ trial: true })
  const alert = await page.getByRole('alert').boundingBox()
  const pages = await button(page, 'Older').boundingBox()
  expect(alert?.y).toBeGreaterThan((pages?.y ?? 0) + (pages?.height ?? 0))
})

test('the links of what wants attention, and the leases of a consumer, wait for the hand', async ({
  inbox,
  open,
}) => {
  const metrics = await inbox.metrics()
  const [first] = metrics.subscriptions
  let letters = 0
  const page = await open('#/send')
  await page.route('**/metrics', (route) => {
    const late = { ...first, name: 'mail', claimed: 1, oldest_ready_seconds: 300 }
    const data = { ...metrics, dlq_count: letters, subscriptions: [late] }
    return route.fulfill({ json: { data, timestamp: new Date().toISOString() } })
  })
  await page.getByRole('link', { name: 'Overview' }).click()
  await refresh(page)
  const link = page.getByRole('link', { name: 'mail is 5 min behind' })
  await link.hover()
  const place = await link.boundingBox()
  letters = 3
  await refresh(page)
  await page.locator('div[part=card]', { hasText: 'Dead letters' }).getByText('3').waitFor()
  expect(await link.boundingBox()).toEqual(place)
  await page.mouse.move(1, 1)
  await refresh(page)
  await page.getByRole('link', { name: '3 dead letters' }).waitFor()
})

test('reasons that were redriven say so while others are selected, and the bars of the chart stay', async ({
  inbox,
  open,
}) => {
  for (const reason of ['one', 'two', 'three']) {
    await inbox.postId(`of-${reason}`)
    for (let n = 0; n < 3; n++) await inbox.nack(`of-${reason}`, `reason ${reason}`)
  }
  await expect.poll(async () => (await inbox.deadLetters()).length).toBe(3)
  const page = await open('#/dead-letters')
  const groups = page.getByRole('region', { name: 'By reason' })
  await page.getByLabel('Select of-three in inbox').check()
  for (const reason of ['one', 'two']) {
    await button(page, `Redrive 1 with the reason reason ${reason}`).click()
    await button(page, 'Redrive them').click()
    await page.getByText('1 redriven.').waitFor()
  }
  await expect.poll(() => groups.getByText('Redriven', { exact: true }).count()).toBe(2)

  await page.getByRole('link', { name: 'Overview' }).click()
  const metrics = await inbox.metrics()
  await page.locator('inbox-chart .plot').hover()
  const titles = () => page.locator('.hit title').allTextContents()
  const before = await titles()
  const per_minute = metrics.per_minute.slice(1).concat(metrics.per_minute.slice(0, 1))
  await page.route('**/metrics', (route) => {
    const data = { ...metrics, total: 4_711, per_minute }
    return route.fulfill({ json: { data, timestamp: new Date().toISOString() } })
  })
  await refresh(page)
  await page.getByRole('link', { name: 'Total: 4,711' }).waitFor()
  expect(await titles()).toEqual(before)
  await page.mouse.move(1, 1)
  await refresh(page)
  await expect.poll(titles).not.toEqual(before)
})

test('a consumer’s leases wait for the hand', async ({ inbox, open }) => {
  await inbox.post([1, 2].map((n) => ({ event_id: `lease-${n}`, payload: {} })))
  const hold = async () => {
    const { body } = await inbox.claim({ limit: 1, lease_seconds: 600 })
    return body.data.map(({ event_id }) => event_id)[0]
  }
  await expect.poll(hold).toBeDefined()
  const page = await open('#/consumers?name=inbox')
  const ids = () => page.locator('.ids a').allInnerTexts()
  await expect.poll(async () => (await ids()).length).toBe(1)
  const [held] = await ids()
  await page.getByRole('link', { name: String(held), exact: true }).hover()
  const asked = page.waitForResponse('**/subscriptions/inbox')
  await expect.poll(hold).toBeDefined()
  await refresh(page)
  await asked
  expect(await ids()).toEqual([held])
  await page.mouse.move(1, 1)
  await expect.poll(async () => (await ids()).length).toBe(2)
})

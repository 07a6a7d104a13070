import { describe, expect } from 'vitest'
import { test } from '../support/browser'

/** The address says what is shown: Back, a reload and a link show the same. */

test('Back shows the rows and the filters of before, and a closed event is no step of its own', async ({
  inbox,
  open,
}) => {
  await inbox.post({ event_id: 'done', payload: { set: 'back' } })
  await inbox.post({ event_id: 'open', payload: { set: 'back' } })
  await inbox.ack('done')
  const page = await open('#/inbox?payload.set=back')
  const ids = () => page.locator('tbody a.id').allInnerTexts()
  const sort = page.getByLabel('Sort')
  await expect.poll(ids).toEqual(['open', 'done'])
  await page.getByRole('checkbox', { name: 'Pending' }).check({ force: true })
  await expect.poll(ids).toEqual(['open'])
  await sort.selectOption('Oldest first')
  await expect.poll(() => page.url()).toContain('sort=created_at+asc')
  const steps = await page.evaluate('history.length')
  await page.getByRole('link', { name: 'open', exact: true }).click()
  await page.getByRole('dialog', { name: 'open' }).waitFor()
  await page.keyboard.press('Escape')
  await expect.poll(() => page.url()).not.toContain('event=')
  await page.goBack()
  await expect.poll(() => sort.inputValue()).toBe('')
  expect(await page.getByRole('checkbox', { name: 'Pending' }).isChecked()).toBe(true)
  await page.goBack()
  await expect.poll(ids).toEqual(['open', 'done'])
  expect(await page.getByRole('checkbox', { name: 'Pending' }).isChecked()).toBe(false)
  // Opening and closing left one step forward at most.
  expect(await page.evaluate('history.length')).toBe(Number(steps) + 1)
})

test('bounds of time that are typed step by step are one step back', async ({ open }) => {
  const page = await open('#/inbox?since=own')
  const from = page.getByLabel('From', { exact: true })
  await from.waitFor()
  const steps = await page.evaluate('history.length')
  await from.fill('2026-01-01T00:00:00')
  await expect.poll(() => page.url()).toContain('from=')
  for (let n = 0; n < 3; n++) await from.press('ArrowUp')
  await expect.poll(() => decodeURIComponent(page.url())).toContain('from=2026-04')
  expect(await page.evaluate('history.length')).toBe(steps)
})

test('Back while something is asked takes the question away, and nothing is done', async ({
  inbox,
  open,
}) => {
  await inbox.post({ event_id: 'asked', payload: { set: 'asked' } })
  const page = await open('#/overview')
  await page.goto(`${inbox.url.href}#/inbox?payload.set=asked`)
  await page.getByRole('button', { name: 'Delete asked' }).click()
  const question = page.getByRole('dialog', { name: 'Delete asked?' })
  await question.waitFor()
  await page.goBack()
  await question.waitFor({ state: 'hidden' })
  await page.getByText('Delivery rate').waitFor()
  expect((await inbox.event('asked')).status).toBe('pending')
})

test('an address that was typed closes its event as another does; a route may have any name', async ({
  inbox,
  open,
}) => {
  await inbox.postId('typed')
  const page = await open('#/overview')
  await page.goto(`${inbox.url.href}#/inbox?status=pending,failed`)
  await page.getByRole('link', { name: 'typed', exact: true }).click()
  await page.getByRole('dialog', { name: 'typed' }).getByText('Timeline').waitFor()
  await page.keyboard.press('Escape')
  await expect.poll(() => page.url()).not.toContain('event=')
  // The closing was no step of its own.
  await page.goBack()
  await page.getByText('Delivery rate').waitFor()
  await page.evaluate(`document.querySelector('event-inbox').route = 'ops; a/b'`)
  await page.getByRole('link', { name: 'Sources' }).click()
  await page.reload()
  await page.evaluate(`document.querySelector('event-inbox').route = 'ops; a/b'`)
  await page.getByRole('heading', { name: 'Sources' }).waitFor()
})

test('what is wrong in a link is said by its name', async ({ inbox, open }) => {
  await inbox.postId('right')
  const page = await open('#/inbox')
  await page.getByText(/shown of/).waitFor()
  await page.evaluate(`location.hash = '#/inbox?status=lost'`)
  const said = (text: string) => page.getByRole('alert').filter({ hasText: text }).waitFor()
  await said('status')
  // Rows of another view would be taken for those of this one.
  expect(await page.locator('tbody tr').count()).toBe(0)
  for (const [link, text] of [
    ['from=garbage', 'from'],
    ['limit=x', 'limit'],
  ] as const) {
    await page.evaluate(`location.hash = '#/inbox?${link}'`)
    await said(text)
  }
  await page.evaluate(`location.hash = '#/inbox?limit=7'`)
  await page.getByText(/shown of/).waitFor()
  expect(await page.getByLabel('Page size').inputValue()).toBe('7')
})

test('an open event that a link led to closes without leaving the page', async ({
  inbox,
  open,
}) => {
  await inbox.postId('linked')
  const page = await open('#/inbox?event=linked')
  const dialog = page.getByRole('dialog', { name: 'linked' })
  await dialog.getByText('Timeline').waitFor()
  await dialog.getByRole('button', { name: 'Close' }).click()
  await page.getByRole('link', { name: 'linked', exact: true }).waitFor()
  expect(new URL(page.url()).hash).toBe('#/inbox')
})

test('an element that is put back reads the address anew', async ({ open }) => {
  const page = await open('#/inbox')
  await page.getByRole('heading', { name: 'Inbox', level: 2 }).waitFor()
  await page.evaluate(`{
    const element = document.querySelector('event-inbox')
    const place = element.parentNode
    element.remove()
    location.hash = '#/send'
    addEventListener('hashchange', () => place.append(element), { once: true })
  }`)
  await page.getByRole('heading', { name: 'Send a test event' }).waitFor()
})

test('two elements on one page have an address each, or none; a script loaded twice does no harm', async ({
  open,
}) => {
  const page = await open('#/inbox')
  await page.getByRole('heading', { name: 'Inbox', level: 2 }).waitFor()
  await page.evaluate(`{
    const add = (route) => {
      const element = document.createElement('event-inbox')
      element.setAttribute('route', route)
      element.id = route
      document.querySelector('main').append(element)
    }
    add('second')
    add('none')
  }`)
  const second = page.locator('#second')
  const apart = page.locator('#none')
  await second.getByRole('link', { name: 'Sources' }).click()
  await second.getByRole('heading', { name: 'Sources' }).waitFor()
  await apart.getByRole('link', { name: 'Consumers' }).click()
  await apart.getByRole('heading', { name: 'Consumers' }).waitFor()
  // Back to where the second had no part of the address, though the first has.
  await page.goBack()
  await second.getByText('Delivery rate').waitFor()
  await page.goForward()
  await second.getByRole('heading', { name: 'Sources' }).waitFor()
  expect(new URL(page.url()).hash.slice(1).split(';').toSorted()).toEqual([
    '/inbox',
    'second/sources',
  ])
  const complaints: string[] = []
  page.on('console', (message) => complaints.push(message.text()))
  await page.evaluate(
    'import("/event-inbox.js?twice").then(() => new Promise((r) => setTimeout(r)))',
  )
  expect(complaints).toEqual([])
  await page.reload()
  await page.locator('event-inbox').first().getByRole('heading', { name: 'Inbox' }).waitFor()
})

describe('finding', () => {
  test('by event id, correlation id, source and type; the page’s title says what is shown', async ({
    inbox,
    open,
  }) => {
    await inbox.post(
      { event_id: 'found', payload: {}, metadata: { source: 'shop', type: 'order.paid' } },
      { 'X-Correlation-ID': 'trace-17' },
    )
    await inbox.postId('not-found')
    const page = await open('#/inbox')
    const ids = () => page.locator('tbody a.id').allInnerTexts()
    const find = async (by: string, value: string) => {
      await page.getByLabel('Find by').selectOption(by)
      await page.getByLabel('Value', { exact: true }).fill(value)
      await page.getByRole('button', { name: 'Find' }).click()
      await expect.poll(ids).toEqual(['found'])
    }
    await find('Event id', 'found')
    await page.getByRole('button', { name: 'Clear all' }).click()
    await expect.poll(async () => (await ids()).length).toBeGreaterThan(1)
    await find('Correlation id', 'trace-17')
    await find('Source', 'shop')
    expect(await page.title()).toBe('Inbox: Correlation id trace-17, Source shop · Event inbox')
    await page.getByRole('button', { name: 'Clear all' }).click()
    await page.getByRole('link', { name: 'Events with metadata.type order.paid' }).click()
    await expect.poll(ids).toEqual(['found'])
    await page.getByLabel('Time').selectOption('Last 15 minutes')
    await expect.poll(ids).toEqual(['found'])
    expect(page.url()).toContain('since=15m')
    await page.getByLabel('Time').selectOption('From and to …')
    await page.getByText(/UTC|GMT/).waitFor()
    await page.getByLabel('From', { exact: true }).fill('2020-01-01T00:00')
    await page.getByLabel('From', { exact: true }).blur()
    await expect.poll(() => page.url()).toMatch(/from=20(19|20)-/)
    await expect.poll(ids).toEqual(['found'])
  })

  test('from the cards, by several statuses, and by subscription', async ({ inbox, open }) => {
    await inbox.postId('carded')
    const page = await open()
    await page.getByRole('link', { name: /^Pending: / }).click()
    await page.getByRole('link', { name: 'carded', exact: true }).waitFor()
    expect(new URL(page.url()).hash).toBe('#/inbox?status=pending')
    await page.getByRole('checkbox', { name: 'Failed' }).check({ force: true })
    await expect.poll(() => decodeURIComponent(page.url())).toContain('status=pending,failed')
    await page.getByRole('link', { name: 'Consumers' }).click()
    await page.getByRole('link', { name: 'Show the events of inbox' }).click()
    const row = page.locator('tbody tr', { hasText: 'carded' })
    await row.getByRole('link', { name: 'Events of the subscription inbox' }).click()
    await row.waitFor()
    expect(new URL(page.url()).hash).toBe('#/inbox?subscription=inbox')
  })
})

import type { Page } from 'playwright-core'
import { describe, expect } from 'vitest'
import { test } from '../support/browser'

/** What the reader does: it is seen to be under way, what failed stays in sight, and the focus goes on from there. */

const button = (page: Page, name: string | RegExp) =>
  page.getByRole('button', { name, exact: typeof name === 'string' })
const alerts = (page: Page) => page.getByRole('alert').allInnerTexts()
/** What has the focus, within all shadow roots: its label or its text. */
const focused = (page: Page): Promise<string> =>
  page.evaluate(`{
    let element = document.activeElement
    while (element.shadowRoot?.activeElement) element = element.shadowRoot.activeElement
    const labels = [element.ariaLabel, element.name, element.innerText, element.tagName]
    labels.find(Boolean).trim()
  }`)

/** Holds the answers to some requests. @returns what lets them go */
async function hold(page: Page, url: string): Promise<() => void> {
  const held = Promise.withResolvers<void>()
  await page.route(url, async (route) => {
    await held.promise
    await route.continue()
  })
  return () => held.resolve()
}

describe('what failed', () => {
  test('stays in sight after something else succeeded, and in other views, until it is dismissed', async ({
    inbox,
    open,
  }) => {
    for (const n of [1, 2]) await inbox.post({ event_id: `w-${n}`, payload: { set: 'stay' } })
    const page = await open('#/inbox?payload.set=stay')
    await page.route('**/inbox/w-1/ack', (route) => route.abort())
    await button(page, 'Ack w-1').click()
    await page.getByText('Ack w-1: The service cannot be reached').waitFor()
    await button(page, 'Ack w-2').click()
    await page.getByText('w-2 acknowledged.').waitFor()
    expect((await alerts(page)).join()).toContain('w-1: ')
    await page.getByRole('link', { name: 'Sources' }).click()
    await page.getByRole('heading', { name: 'Sources' }).waitFor()
    // What was done is no news there; what failed is.
    expect(await page.getByText('w-2 acknowledged.').count()).toBe(0)
    expect((await alerts(page)).join()).toContain('w-1: ')
    await button(page, 'Dismiss').click()
    expect(await alerts(page)).toEqual([])
  })

  test('is forgotten when the same is done', async ({ inbox, open }) => {
    await inbox.post({ event_id: 'again', payload: { set: 'again' } })
    const page = await open('#/inbox?payload.set=again')
    await page.route('**/inbox/again/ack', (route) => route.abort(), { times: 1 })
    await button(page, 'Ack again').click()
    await page.getByText('Ack again: The service cannot be reached').waitFor()
    await button(page, 'Ack again').click()
    await page.getByText('again acknowledged.').waitFor()
    expect(await alerts(page)).toEqual([])
  })

  test('is not forgotten when something else is done to the same event, nor told as a change', async ({
    inbox,
    open,
  }) => {
    for (const n of [1, 2]) await inbox.post({ event_id: `k-${n}`, payload: { set: 'keep' } })
    const page = await open('#/inbox?payload.set=keep')
    await page.evaluate(`{
      globalThis.told = []
      document.addEventListener('inbox-change', ({ detail }) => told.push([detail.action, ...detail.ids]))
    }`)
    await page.getByLabel('Select all').filter({ visible: true }).check()
    for (const n of [1, 2]) await inbox.ack(`k-${n}`)
    await button(page, 'Acknowledge 2 pending').click()
    await page.getByRole('alert').filter({ hasText: 'is delivered' }).waitFor()
    expect(await page.evaluate('told')).toEqual([])
    await page.mouse.move(1, 1)
    await button(page, 'Delete k-1').click()
    await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click()
    await page.getByText('k-1 deleted.').waitFor()
    expect((await alerts(page)).join()).toContain('Ack 2 events: ')
    expect(await page.evaluate('told')).toEqual([['delete', 'k-1']])
  })

  test('is told though its view was left before the answer came; so is what was sent', async ({
    inbox,
    open,
  }) => {
    await inbox.post({ event_id: 'left', payload: { set: 'left' } })
    const page = await open('#/inbox?payload.set=left')
    const release = await hold(page, '**/inbox/left/ack')
    await button(page, 'Ack left').click()
    await inbox.ack('left')
    await page.getByRole('link', { name: 'Send' }).click()
    const releaseSent = await hold(page, '**/events')
    await button(page, 'Send').click()
    await page.getByRole('link', { name: 'Consumers' }).click()
    await page.getByRole('heading', { name: 'Consumers' }).waitFor()
    release()
    await page.getByRole('alert').filter({ hasText: 'left: ' }).waitFor()
    releaseSent()
    await page.getByText('Accepted as').waitFor()
  })
})

test('what is under way is seen: a row, and an open event', async ({ inbox, open }) => {
  for (const id of ['other', 'slow']) await inbox.post({ event_id: id, payload: { set: 'slow' } })
  const page = await open('#/inbox?payload.set=slow')
  const release = await hold(page, '**/inbox/slow/ack')
  const place = await button(page, 'Ack other').boundingBox()
  await page.getByRole('link', { name: 'slow', exact: true }).click()
  const dialog = page.getByRole('dialog', { name: 'slow' })
  await dialog.getByRole('button', { name: 'Acknowledge' }).click()
  await page.locator('dialog[aria-busy=true]').waitFor()
  expect(await page.locator('tr[aria-busy=true]').count()).toBe(1)
  // The sign of work in one row moves no button of another.
  await page.keyboard.press('Escape')
  await dialog.waitFor({ state: 'hidden' })
  expect(await button(page, 'Ack other').boundingBox()).toEqual(place)
  await page.getByRole('link', { name: 'slow', exact: true }).click()
  expect(await dialog.getByRole('button', { name: 'Acknowledge' }).isDisabled()).toBe(true)
  release()
  await dialog.getByText('Delivered').waitFor()
  await page.locator('dialog[aria-busy=false]').waitFor()
})

describe('the focus', () => {
  test('goes on from where it was: rows, chips, the bar, the drawer', async ({ inbox, open }) => {
    for (const n of [1, 2, 3]) await inbox.post({ event_id: `f-${n}`, payload: { set: 'focus' } })
    const page = await open('#/inbox?payload.set=focus&metadata.none=1')
    await button(page, 'Remove the filter metadata.none 1').focus()
    await page.keyboard.press('Enter')
    await page.getByText('3 shown of 3').waitFor()
    expect(await focused(page)).not.toBe('BODY')
    await button(page, 'Ack f-1').focus()
    await page.keyboard.press('Enter')
    await page.getByText('f-1 acknowledged.').waitFor()
    await expect.poll(() => focused(page)).toBe('f-1')
    await page.getByLabel('Select f-2').check()
    await button(page, 'Acknowledge 1 pending').focus()
    await page.keyboard.press('Enter')
    await page.getByText('f-2 acknowledged.').waitFor()
    await expect.poll(() => focused(page)).toBe('Inbox')
    await page.getByRole('link', { name: 'f-3', exact: true }).focus()
    await page.keyboard.press('Enter')
    const dialog = page.getByRole('dialog', { name: 'f-3' })
    // A button that is still there keeps it.
    await dialog.getByRole('button', { name: 'Nack' }).focus()
    await page.keyboard.press('Enter')
    await page.getByLabel('Reason').fill('not yet')
    await page.keyboard.press('Enter')
    await page.getByText('f-3 nacked.').waitFor()
    await page.locator('dialog[aria-busy=false]').waitFor()
    expect(await focused(page)).toContain('Nack')
    await dialog.getByRole('button', { name: 'Acknowledge' }).focus()
    await page.keyboard.press('Enter')
    await dialog.getByText('Delivered').waitFor()
    expect(await focused(page)).toContain('Correlation id')
    await page.keyboard.press('Escape')
    await expect.poll(() => focused(page)).toBe('f-3')
  })

  test('goes on from rows that wait for others, and from a row that went while a question was asked', async ({
    inbox,
    open,
  }) => {
    const metadata = { source: 'of focus' }
    await inbox.post({ event_id: 'q-1', payload: { set: 'question' }, metadata })
    const page = await open('#/inbox?payload.set=question&status=pending')
    await button(page, 'Delete q-1').focus()
    await page.keyboard.press('Enter')
    await inbox.ack('q-1')
    await inbox.drained()
    await page.evaluate('document.dispatchEvent(new Event("visibilitychange"))')
    await page.getByText('No event matches').waitFor()
    await page.getByRole('dialog').getByRole('button', { name: 'Cancel' }).click()
    await expect.poll(() => focused(page)).toBe('Inbox')
    await button(page, 'Remove the filter payload.set question').click()
    await page.getByRole('checkbox', { name: 'Pending' }).uncheck({ force: true })
    await page.getByRole('link', { name: 'Events with metadata.source of focus' }).focus()
    const release = await hold(page, '**/inbox?**')
    await page.keyboard.press('Enter')
    await page.locator('.rows[inert]').waitFor()
    await expect.poll(() => focused(page)).toBe('Inbox')
    release()
  })

  test('is in the list when the open event was deleted', async ({ inbox, open }) => {
    await inbox.post({ event_id: 'gone', payload: { set: 'gone' } })
    const page = await open('#/inbox?payload.set=gone')
    await page.getByRole('link', { name: 'gone', exact: true }).click()
    const dialog = page.getByRole('dialog', { name: 'gone', exact: true })
    await dialog.getByRole('button', { name: 'Delete' }).click()
    const question = page.getByRole('dialog', { name: 'Delete gone?' })
    await question.getByRole('button', { name: 'Delete' }).click()
    await page.getByText('gone deleted.').waitFor()
    await dialog.waitFor({ state: 'hidden' })
    await expect.poll(() => focused(page)).toBe('Inbox')
  })

  test('is in the form after signing out, and in the page after signing in', async ({ open }) => {
    const page = await open()
    await page.getByText('Delivery rate').waitFor()
    await button(page, 'Sign out').focus()
    await page.keyboard.press('Enter')
    await expect.poll(() => focused(page)).toBe('token')
    await page.keyboard.type('dev-token')
    await page.keyboard.press('Enter')
    await page.getByText('Delivery rate').waitFor()
    expect(await page.evaluate('document.activeElement.tagName')).toBe('EVENT-INBOX')
    await page.evaluate(`location.hash = '#/send'`)
    await button(page, 'Sign out').click()
    await page.getByLabel('API token').fill('dev-token')
    await page.keyboard.press('Enter')
    await page.getByRole('heading', { name: 'Send a test event' }).waitFor()
    expect(await page.evaluate('document.activeElement.tagName')).toBe('EVENT-INBOX')
  })
})

test('what was deleted in the drawer is selected no more', async ({ inbox, open }) => {
  for (const n of [1, 2]) await inbox.post({ event_id: `sel-${n}`, payload: { set: 'sel' } })
  const page = await open('#/inbox?payload.set=sel')
  await page.getByLabel('Select all').filter({ visible: true }).check()
  await page.getByRole('link', { name: 'sel-1', exact: true }).click()
  await page.getByRole('dialog', { name: 'sel-1' }).getByRole('button', { name: 'Delete' }).click()
  const question = page.getByRole('dialog', { name: 'Delete sel-1?' })
  await question.getByRole('button', { name: 'Delete' }).click()
  await page.getByText('sel-1 deleted.').waitFor()
  await page.getByText('1 selected').waitFor()
})

test('what has the focus is never below a message', async ({ inbox, open }) => {
  const ids = Array.from({ length: 12 }, (_, n) => `below-${n}`)
  await inbox.post(ids.map((event_id) => ({ event_id, payload: { set: 'below' } })))
  const page = await open('#/inbox?payload.set=below', { viewport: { width: 390, height: 700 } })
  await page.route('**/inbox/*/ack', (route) => route.abort())
  for (const n of [0, 1, 2, 3]) await button(page, `Ack below-${n}`).click()
  await page.getByText('And 1 more.').waitFor()
  await page.evaluate('scrollTo(0, 0)')
  await page.getByLabel('Value', { exact: true }).focus()
  const said = page.locator('event-inbox .messages').first()
  for (let n = 0; n < 40; n++) {
    await page.keyboard.press('Tab')
    const overlap = await said.evaluate((box) => {
      let element = Reflect.get(globalThis, 'document').activeElement
      while (element.shadowRoot?.activeElement) element = element.shadowRoot.activeElement
      const { bottom, height } = element.getBoundingClientRect()
      const isWithin = Reflect.get(box, 'contains').call(box, element)
      return isWithin || height > 300
        ? 0
        : bottom - Reflect.get(box, 'getBoundingClientRect').call(box).top
    })
    expect([n, overlap <= 0]).toEqual([n, true])
  }
})

test('every screen has one way to select all', async ({ inbox, open }) => {
  for (const n of [1, 2]) await inbox.post({ event_id: `n-${n}`, payload: { set: 'narrow' } })
  const page = await open('#/inbox?payload.set=narrow', { viewport: { width: 360, height: 800 } })
  await page.getByText('2 shown of 2').waitFor()
  const all = page.getByLabel('Select all').filter({ visible: true })
  expect(await all.count()).toBe(1)
  await page.setViewportSize({ width: 1_280, height: 800 })
  expect(await all.count()).toBe(1)
  await page.setViewportSize({ width: 360, height: 800 })
  await all.check()
  await button(page, 'Acknowledge 2 pending').click()
  await page.getByText('2 acknowledged.').waitFor()
})

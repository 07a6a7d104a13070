import type { Page } from 'playwright-core'
import { describe, expect } from 'vitest'
import { test } from '../support/browser'
import type { Inbox } from '../support/world'

/** A refresh never changes what a hand or a key is about to do, and asks for no more than it must. */

const statusOf = async (inbox: Inbox, id: string) => (await inbox.event(id)).status

/** Has the page ask often, and waits until it asked for the counts twice more. */
async function refresh(page: Page): Promise<void> {
  await page.evaluate('document.querySelector("event-inbox").refreshSeconds = 0.2')
  await page.evaluate('document.dispatchEvent(new Event("visibilitychange"))')
  for (let n = 0; n < 2; n++)
    await page.waitForResponse((response) => response.url().endsWith('/metrics'))
}

const rowIds = (page: Page) => page.locator('tbody a.id').allInnerTexts()
const news = (page: Page, text: string) => page.getByRole('button', { name: text })

describe('a new event', () => {
  test('does not move the row whose button has the focus: Enter acknowledges that one', async ({
    inbox,
    open,
  }) => {
    for (const n of [1, 2]) await inbox.post({ event_id: `focus-${n}`, payload: { set: 'focus' } })
    const page = await open('#/inbox?payload.set=focus')
    await page.getByRole('button', { name: 'Ack focus-2', exact: true }).focus()
    await inbox.post({ event_id: 'focus-3', payload: { set: 'focus' } })
    await refresh(page)
    await news(page, '1 new event: show').waitFor()
    expect(await rowIds(page)).toEqual(['focus-2', 'focus-1'])
    await page.keyboard.press('Enter')
    await page.getByText('focus-2 acknowledged.').waitFor()
    expect(await statusOf(inbox, 'focus-2')).toBe('delivered')
    expect(await statusOf(inbox, 'focus-3')).toBe('pending')
    await news(page, '1 new event: show').click()
    await expect.poll(() => rowIds(page)).toEqual(['focus-3', 'focus-2', 'focus-1'])
  })

  test('does not move the row under the mouse; it is shown once the mouse is away', async ({
    inbox,
    open,
  }) => {
    for (const n of [1, 2]) await inbox.post({ event_id: `mouse-${n}`, payload: { set: 'mouse' } })
    const page = await open('#/inbox?payload.set=mouse')
    const button = page.getByRole('button', { name: 'Delete mouse-2' })
    await button.hover()
    const place = await button.boundingBox()
    await inbox.post({ event_id: 'mouse-3', payload: { set: 'mouse' } })
    await refresh(page)
    await news(page, '1 new event: show').waitFor()
    expect(await button.boundingBox()).toEqual(place)
    // Nothing more is asked for: it is the hand that lets it go.
    const last = page.waitForResponse('**/metrics')
    await page.evaluate('document.querySelector("event-inbox").refreshSeconds = 0')
    await (await last).finished()
    await page.mouse.move(1, 1)
    await expect.poll(() => rowIds(page)).toEqual(['mouse-3', 'mouse-2', 'mouse-1'])
  })

  test('does not move what is selected, and a row keeps its elements when it moves', async ({
    inbox,
    open,
  }) => {
    for (const n of [1, 2])
      await inbox.post({ event_id: `select-${n}`, payload: { set: 'select' } })
    const page = await open('#/inbox?payload.set=select')
    await page.getByLabel('Select select-1').check()
    await page
      .locator('tr', { hasText: 'select-1' })
      .evaluate((row) => row.setAttribute('id', 'kept'))
    await page.getByRole('heading', { name: 'Inbox', level: 2 }).click()
    await inbox.post({ event_id: 'select-3', payload: { set: 'select' } })
    await refresh(page)
    await news(page, '1 new event: show').click()
    await expect.poll(() => rowIds(page)).toEqual(['select-3', 'select-2', 'select-1'])
    expect(await page.locator('#kept').innerText()).toContain('select-1')
  })
})

test('on a touch screen, where no finger is seen before it touches, a new event always waits', async ({
  inbox,
  open,
}) => {
  await inbox.post({ event_id: 'touch-1', payload: { set: 'touch' } })
  const page = await open('#/inbox?payload.set=touch', { hasTouch: true, isMobile: true })
  await page.getByRole('link', { name: 'touch-1', exact: true }).waitFor()
  await inbox.post({ event_id: 'touch-2', payload: { set: 'touch' } })
  await refresh(page)
  await news(page, '1 new event: show').waitFor()
  expect(await rowIds(page)).toEqual(['touch-1'])
  await news(page, '1 new event: show').tap()
  await expect.poll(() => rowIds(page)).toEqual(['touch-2', 'touch-1'])
})

test('a new dead letter does not move the row under the mouse', async ({ inbox, open }) => {
  const fail = async (id: string) => {
    await inbox.postId(id)
    for (let n = 0; n < 3; n++) await inbox.nack(id, `reason of ${id}`)
    await expect.poll(async () => (await inbox.deadLetters())[0]?.event_id).toBe(id)
  }
  await fail('letter-1')
  const page = await open('#/dead-letters')
  const button = page.getByRole('button', { name: 'Redrive letter-1 in inbox' })
  await button.hover()
  const place = await button.boundingBox()
  await fail('letter-2')
  await refresh(page)
  await news(page, 'Changes: show').waitFor()
  expect(await button.boundingBox()).toEqual(place)
  await button.click()
  await expect.poll(() => statusOf(inbox, 'letter-1')).toBe('pending')
  expect(await statusOf(inbox, 'letter-2')).toBe('failed')
})

test('an open event keeps its place and what is selected in it, and its body is not loaded again', async ({
  inbox,
  open,
}) => {
  const lines = Array.from({ length: 200 }, (_, n) => `line ${n}`)
  await inbox.post({ event_id: 'read', payload: { lines } })
  const page = await open('#/inbox?event=read')
  const text = page.getByRole('region', { name: 'Payload' })
  await text.getByText('line 0').waitFor()
  let looked = 0
  let loaded = 0
  page.on('request', (request) => {
    if (!request.url().includes('/inbox/read?')) return
    looked++
    loaded += Number(!request.url().includes('body=none'))
  })
  await text.evaluate((pre) => {
    pre.scrollTop = 900
    pre.setAttribute('data-kept', 'yes')
    Reflect.get(globalThis, 'getSelection')().selectAllChildren(pre)
  })
  await text.focus()
  await inbox.postId('another')
  await refresh(page)
  const state = () =>
    text.evaluate((pre) => [
      pre.scrollTop,
      pre.getAttribute('data-kept'),
      String(Reflect.get(globalThis, 'getSelection')()).length > 1_000,
      Reflect.get(pre.getRootNode(), 'activeElement') === pre,
    ])
  expect(await state()).toEqual([900, 'yes', true, true])
  expect(looked).toBeGreaterThan(0)
  await inbox.ack('read')
  await page.getByRole('dialog').getByText('Delivered').waitFor()
  await page.getByText('Acknowledged', { exact: true }).waitFor()
  expect(loaded).toBe(0)
  expect(await state()).toEqual([900, 'yes', true, true])
})

test('an open event whose id is given to another one is loaded anew', async ({ inbox, open }) => {
  await inbox.post({ event_id: 'twice', payload: { first: true } })
  const page = await open('#/inbox?event=twice')
  const dialog = page.getByRole('dialog', { name: 'twice' })
  await dialog.getByText('"first": true').waitFor()
  await inbox.call('DELETE', '/inbox/twice')
  await inbox.post({ event_id: 'twice', payload: { second: true } })
  await refresh(page)
  await dialog.getByText('"second": true').waitFor()
})

test('an open event says who has it while others claim it', async ({ inbox, open }) => {
  await inbox.postId('claimed')
  const page = await open('#/inbox?event=claimed')
  const dialog = page.getByRole('dialog', { name: 'claimed' })
  await dialog.getByText('Ready').waitFor()
  const claimed = async () =>
    (await inbox.claim({ limit: 100 })).body.data.some(({ event_id }) => event_id === 'claimed')
  await expect.poll(claimed).toBe(true)
  await refresh(page)
  await dialog.getByText('Leased').waitFor()
})

describe('traffic', () => {
  test('the list is asked for after the counts, so that nothing between the two is missed', async ({
    inbox,
    open,
  }) => {
    await inbox.postId('between')
    const page = await open('#/send')
    const asked: string[] = []
    page.on('request', (request) => asked.push(new URL(request.url()).pathname))
    const counts = Promise.withResolvers<void>()
    await page.route('**/metrics', async (route) => {
      await counts.promise
      await route.continue()
    })
    await page.reload()
    await page.evaluate(`location.hash = '#/inbox'`)
    await page.getByText('Loading …').waitFor()
    expect(asked).not.toContain('/inbox')
    counts.resolve()
    await page.getByRole('link', { name: 'between', exact: true }).waitFor()
  })

  test('the list has no bodies in it, and is asked for only when something happened', async ({
    inbox,
    open,
  }) => {
    const big = 'x'.repeat(500_000)
    for (let n = 0; n < 4; n++) await inbox.post({ event_id: `big-${n}`, payload: { big } })
    await inbox.drained()
    const page = await open()
    let bytes = 0
    let listed = 0
    page.on('response', async (response) => {
      if (!response.url().includes('/inbox?')) return
      listed++
      bytes += (await response.body()).length
    })
    await page.getByRole('link', { name: 'Inbox' }).click()
    await page.getByRole('link', { name: 'big-3', exact: true }).waitFor()
    await refresh(page)
    expect([listed, bytes < 100_000]).toEqual([1, true])
    await inbox.postId('small')
    await page.getByRole('link', { name: 'small', exact: true }).waitFor()
    expect(listed).toBeGreaterThan(1)
  })

  test('an answer that is slower than the refresh is waited for, and the wait is shown', async ({
    inbox,
    open,
  }) => {
    await inbox.postId('slow')
    const page = await open('#/')
    const held: (() => void)[] = []
    let cancelled = 0
    page.on('requestfailed', () => cancelled++)
    await page.route('**/inbox?**', async (route) => {
      await new Promise<void>((resolve) => held.push(resolve))
      await route.continue()
    })
    await page.getByRole('link', { name: 'Inbox' }).click()
    await page.getByText('Loading …').waitFor()
    expect(await page.locator('section[aria-busy=true]').count()).toBe(1)
    for (let n = 0; n < 3; n++) {
      await inbox.postId(`slow-${n}`)
      await refresh(page)
    }
    expect([held.length, cancelled]).toEqual([1, 0])
    for (const release of held) release()
    await page.getByRole('link', { name: 'slow', exact: true }).waitFor()
  })

  test('a request without an answer ends after ten seconds, and says so', async ({ open }) => {
    const page = await open('', { loading: true })
    await page.clock.install()
    await page.reload()
    await page.getByText('Loading …').waitFor()
    await page.clock.runFor(10_100)
    await page.getByRole('alert').filter({ hasText: 'does not answer in time' }).waitFor()
  })

  test('the counts say of when they are', async ({ open }) => {
    const page = await open()
    await page.getByText(/as of \d\d:\d\d:\d\d/).waitFor()
  })
})

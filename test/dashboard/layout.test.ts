import type { Page } from 'playwright-core'
import { describe, expect } from 'vitest'
import { computed, test as base } from '../support/browser'

/** How the page looks on every screen, in every scheme, and on paper. */

const test = base.extend('filled', { scope: 'file', auto: true }, async ({ inbox }) => {
  const long = 'an-event-with-a-name-that-is-rather-long-'.padEnd(100, 'x')
  await inbox.post({
    event_id: long,
    payload: { text: 'x'.repeat(400) },
    metadata: { source: 's'.repeat(60), type: 'a.type.of.some.length'.repeat(3) },
  })
  await inbox.postId('short')
  for (const id of [long, 'short'])
    for (let n = 0; n < 3; n++) await inbox.nack(id, 'the reason, which is a whole sentence')
  await inbox.postId('pending')
  await expect.poll(async () => (await inbox.deadLetters()).length).toBe(2)
})

const VIEWS = ['', '#/inbox', '#/dead-letters', '#/consumers?name=inbox', '#/sources', '#/send']
const widthOf = (page: Page) => page.evaluate('document.documentElement.scrollWidth')

test('no view is wider than the screen, from 320 to 1,920 pixels', async ({ open }) => {
  const page = await open()
  for (const hash of VIEWS) {
    await page.goto(`${page.url().split('#')[0]}${hash || '#/'}`)
    await page.getByRole('heading', { level: 2 }).first().waitFor()
    for (const width of [320, 360, 500, 640, 704, 768, 850, 900, 990, 1_024, 1_280, 1_920]) {
      await page.setViewportSize({ width, height: 800 })
      expect([hash, width, await widthOf(page)]).toEqual([hash, width, width])
    }
  }
})

test('the times below a month do not touch on the narrowest screen', async ({ open }) => {
  const page = await open('#/overview?chart=month', { viewport: { width: 320, height: 800 } })
  await page.getByRole('list', { name: 'Events in the last month' }).waitFor()
  const boxes = await Promise.all(
    (await page.locator('.times span:visible').all()).map((each) => each.boundingBox()),
  )
  expect(boxes.length).toBeGreaterThan(2)
  boxes.slice(1).forEach((box, index) => {
    const before = boxes[index]
    expect(box?.x ?? 0).toBeGreaterThan((before?.x ?? 0) + (before?.width ?? 0))
  })
})

test('the page is as narrow as the screen again after it was turned', async ({ open }) => {
  const page = await open('', { viewport: { width: 844, height: 390 } })
  await page.getByRole('list', { name: 'Events in the last hour' }).waitFor()
  await page.setViewportSize({ width: 390, height: 844 })
  expect(await widthOf(page)).toBe(390)
})

test('buttons and ids of dead letters are whole', async ({ open }) => {
  const page = await open('#/dead-letters', { viewport: { width: 1_024, height: 800 } })
  const heightOf = async (text: string, role: 'link' | 'button') =>
    (await page.getByRole(role, { name: text, exact: true }).first().boundingBox())?.height ?? 0
  await page.getByRole('link', { name: 'short', exact: true }).waitFor()
  expect(await heightOf('short', 'link')).toBeLessThan(30)
  expect(await heightOf('Redrive short in inbox', 'button')).toBeLessThan(40)
})

test('what went wrong with an open event is said in front of the reader', async ({ open }) => {
  const page = await open('#/inbox?event=pending')
  const dialog = page.getByRole('dialog', { name: 'pending' })
  await dialog.getByText('Timeline').waitFor()
  await page.route('**/inbox/pending/ack', (route) => route.abort())
  await dialog.getByRole('button', { name: 'Acknowledge' }).click()
  await dialog.getByRole('alert').filter({ hasText: 'cannot be reached' }).waitFor()
})

test('failed events that are selected are retried by one request', async ({ inbox, open }) => {
  for (const id of ['again-1', 'again-2']) {
    await inbox.post({ event_id: id, payload: { set: 'again' } })
    for (let n = 0; n < 3; n++) await inbox.nack(id, 'no')
  }
  const page = await open('#/inbox?payload.set=again')
  for (const id of ['again-1', 'again-2']) await page.getByLabel(`Select ${id}`).check()
  const posted: string[] = []
  page.on('request', (request) => {
    if (request.method() === 'POST') posted.push(new URL(request.url()).pathname)
  })
  await page.getByRole('button', { name: 'Retry 2 failed' }).click()
  await page.getByText('2 made pending again.').waitFor()
  expect(posted).toEqual(['/dlq/retry'])
  expect((await inbox.event('again-2')).status).toBe('pending')
})

test('the page speaks English with the customs of the reader’s region', async ({ inbox, open }) => {
  await inbox.postId('spoken')
  const page = await open('#/inbox?event=spoken', { locale: 'de-DE', timezoneId: 'Europe/Berlin' })
  const created = page.getByRole('dialog').locator('time').first()
  expect(await created.innerText()).toMatch(/^\d{1,2} [A-Z][a-z]{2,4} 20\d\d, \d\d:\d\d:\d\d$/)
  await page.keyboard.press('Escape')
  await page.getByText('Times in Europe/Berlin').waitFor()
})

describe('schemes', () => {
  test('the element follows the page: a light page stays light on a dark system', async ({
    open,
  }) => {
    const page = await open('', { colorScheme: 'dark' })
    const tab = page.locator('nav a[aria-current]')
    await tab.waitFor()
    const dark = await computed(tab, 'color')
    await page.addStyleTag({ content: ':root { color-scheme: light !important }' }).catch(() => {})
    await page.evaluate(
      'document.documentElement.style.setProperty("color-scheme", "light", "important")',
    )
    expect(await computed(tab, 'color')).not.toBe(dark)
    expect(await computed(page.locator('event-inbox'), 'colorScheme')).toBe('light')
  })

  test('forced colours leave the current view and the bars to be seen', async ({ inbox, open }) => {
    await inbox.postId('forced')
    const page = await open('', { forcedColors: 'active' })
    // What a user chose for what is current.
    const highlight = await page.evaluate(`{
      const probe = document.body.appendChild(document.createElement('p'))
      probe.style.cssText = 'background: Highlight; forced-color-adjust: none'
      getComputedStyle(probe).backgroundColor
    }`)
    await page.locator('rect.accepted').first().waitFor()
    const current = page.locator('nav a[aria-current]')
    expect(await computed(current, 'backgroundColor')).toBe(highlight)
    expect(await computed(page.locator('rect.accepted').first(), 'stroke')).not.toBe('none')
  })

  test('what is printed on a dark system is dark on light', async ({ open }) => {
    const page = await open('', { colorScheme: 'dark' })
    await page.getByText('Delivery rate').waitFor()
    // Also in a page that does not see to that itself.
    await page.evaluate(
      'document.documentElement.style.setProperty("color-scheme", "dark", "important")',
    )
    await page.emulateMedia({ media: 'print', colorScheme: 'dark' })
    expect(await computed(page.locator('event-inbox'), 'colorScheme')).toBe('light')
    const heading = page.getByRole('heading', { name: 'Last hour' })
    expect(await computed(heading, 'color')).toBe('rgb(25, 29, 39)')
    expect(await page.getByRole('link', { name: 'Sources' }).isVisible()).toBe(false)
  })
})

import { gzipSync } from 'node:zlib'
import { describe, expect } from 'vitest'
import { card, scriptSource, test } from '../support/browser'
import { relay, startServer, storageFolder } from '../support/server-process'
import { inParallel } from '../support/world'

describe('access', () => {
  test('asks for the token, says when it is wrong, and keeps it for the session only', async ({
    open,
  }) => {
    const page = await open('', { token: '' })
    const use = async (token: string) => {
      await page.getByLabel('API token').fill(token)
      await page.getByRole('button', { name: 'Show the inbox' }).click()
    }
    await use('wrong')
    await page.getByRole('alert').filter({ hasText: 'not known' }).waitFor()
    await use('dev-token')
    await page.getByRole('navigation', { name: 'Views' }).waitFor()
    const kept = await page.evaluate(
      '[sessionStorage.length, localStorage.length, document.cookie]',
    )
    expect(kept).toEqual([1, 0, ''])
    expect(page.url()).not.toContain('dev-token')
  })
})

describe('the overview', () => {
  test('renders within a second, and its counts rise without a reload, by one request each time', async ({
    inbox,
    open,
  }) => {
    const startedAt = performance.now()
    const page = await open()
    await page.getByText('Delivery rate').waitFor()
    expect(performance.now() - startedAt).toBeLessThan(3_000)
    const first = await page.evaluate(
      () => performance.getEntriesByName('first-contentful-paint')[0]?.startTime,
    )
    expect(first).toBeLessThan(1_000)
    const requests: string[] = []
    page.on('request', (request) => requests.push(new URL(request.url()).pathname))
    const before = Number(await card(page, 'Total'))
    for (let n = 0; n < 3; n++) await inbox.postId(`seen-${n}`)
    await inbox.ack('seen-0')
    await expect.poll(() => card(page, 'Total')).toBe(String(before + 3))
    await expect.poll(() => card(page, 'Delivered')).toBe('1')
    expect(new Set(requests)).toEqual(new Set(['/metrics']))
    expect(await page.getByRole('list', { name: 'Events in the last hour' }).innerText()).toContain(
      'Delivered 1',
    )
    expect(
      await page.locator('progress').evaluate((bar) => Number(Reflect.get(bar, 'value'))),
    ).toBeGreaterThan(0)
    expect(await page.locator('inbox-chart svg rect.accepted').count()).toBeGreaterThan(0)
  })

  test('pauses while the tab is hidden, and asks at once when it is back', async ({ open }) => {
    const page = await open()
    await page.getByText('Delivery rate').waitFor()
    const hide = (hidden: boolean) =>
      page.evaluate(
        `Object.defineProperty(document, 'hidden', { configurable: true, value: ${hidden} })
         document.dispatchEvent(new Event('visibilitychange'))`,
      )
    await page.evaluate('document.querySelector("event-inbox").refreshSeconds = 0.2')
    let asked = 0
    page.on('request', () => asked++)
    await expect.poll(() => asked).toBeGreaterThan(2)
    await hide(true)
    // Whatever was on its way is over once another request of the page's own has gone through.
    await page.evaluate('fetch("/health").then(() => {})')
    asked = 0
    // Five times the interval: nothing comes in a time in which several would have.
    await page.evaluate(() => new Promise((resolve) => setTimeout(resolve, 1_000)))
    expect(asked).toBe(0)
    await hide(false)
    await expect.poll(() => asked).toBeGreaterThan(0)
  })

  test('says when the service stops, tries again by itself, and goes on when it is back', async ({
    open,
  }) => {
    const folder = storageFolder()
    const { url, to } = await relay()
    const first = await startServer(folder)
    to(first.url)
    await first.postId('before')
    const page = await open('', { url: url.href })
    await page.getByText('Delivery rate').waitFor()
    await page.evaluate('document.querySelector("event-inbox").refreshSeconds = 0.3')
    await first.stop()
    const trouble = page.getByRole('alert').filter({ hasText: 'cannot be reached' })
    await trouble.waitFor()
    expect(await trouble.innerText()).toMatch(/Trying again in [\d.]+ s/)
    expect(await card(page, 'Total')).toBe('1')
    const second = await startServer(folder)
    to(second.url)
    await second.postId('after')
    await trouble.waitFor({ state: 'detached', timeout: 90_000 })
    await expect.poll(() => card(page, 'Total')).toBe('2')
    await second.stop()
  }, 240_000)
})

describe('the inbox', () => {
  test('lists, filters, pages, and keeps the view in the hash', async ({ inbox, open }) => {
    await inParallel(
      60,
      10,
      async (n) =>
        void (await inbox.post({
          event_id: `list-${String(n).padStart(3, '0')}`,
          payload: { n, parity: n % 2 ? 'odd' : 'even' },
        })),
    )
    const page = await open('#/inbox?limit=25')
    await page.getByText('25 shown of').waitFor()
    const topRow = () => page.locator('tbody tr a.id').first().innerText()
    const first = await topRow()
    await page.getByRole('button', { name: 'Older' }).click()
    await expect.poll(topRow).not.toBe(first)
    const second = await topRow()
    expect(page.url()).toContain('cursors=')
    await page.reload()
    await expect.poll(topRow).toBe(second)
    await page.getByRole('button', { name: 'Newer' }).focus()
    await page.keyboard.press('Enter')
    await expect.poll(topRow).toBe(first)
    // There is nothing newer; the focus stays where it is.
    await expect.poll(() => page.getByRole('button', { name: 'Newer' }).isDisabled()).toBe(true)
    await page.keyboard.press('Enter')
    expect(
      await page
        .getByRole('button', { name: 'Newer' })
        .evaluate((b) => Reflect.get(b.getRootNode(), 'activeElement') === b),
    ).toBe(true)
    await page.getByLabel('Find by').selectOption('Payload member')
    await page.getByLabel('Key', { exact: true }).fill('parity')
    await page.getByLabel('Value', { exact: true }).fill('odd')
    await page.getByRole('button', { name: 'Find' }).click()
    await page.getByText('25 shown of 30').waitFor()
    await page.getByRole('checkbox', { name: 'Failed' }).check({ force: true })
    await page.getByText('No event matches these filters.').waitFor()
  })

  test('acknowledges, nacks, retries and deletes one event, and many at once', async ({
    inbox,
    open,
  }) => {
    await inParallel(
      6,
      6,
      async (n) => void (await inbox.post({ event_id: `act-${n}`, payload: { act: 'yes' } })),
    )
    const page = await open('#/inbox?payload.act=yes')
    const status = async (id: string) => (await inbox.event(id)).status
    await page.getByRole('button', { name: 'Ack act-0', exact: true }).click()
    await page.getByText('act-0 acknowledged.').waitFor()
    expect(await status('act-0')).toBe('delivered')
    for (let n = 0; n < 3; n++) {
      await page.getByRole('button', { name: 'Nack act-1', exact: true }).click()
      const question = page.getByRole('dialog', { name: 'Nack act-1' })
      await question.getByLabel('Reason').fill('no answer')
      await question.getByRole('button', { name: 'Nack' }).click()
      await expect.poll(async () => (await inbox.event('act-1')).retry_count).toBe(n + 1)
    }
    await page.getByRole('button', { name: 'Retry act-1' }).click()
    await expect.poll(() => status('act-1')).toBe('pending')
    for (const id of ['act-2', 'act-3', 'act-4']) await page.getByLabel(`Select ${id}`).check()
    await inbox.ack('act-3')
    await page.getByRole('button', { name: 'Acknowledge 3 pending' }).click()
    // Honest about the one that somebody else was faster with.
    await page.getByText('2 acknowledged.').waitFor()
    await page
      .getByRole('alert')
      .filter({ hasText: 'act-3' })
      .or(page.getByRole('alert').filter({ hasText: 'is delivered' }))
      .waitFor()
    expect(await Promise.all(['act-2', 'act-3', 'act-4', 'act-5'].map(status))).toEqual([
      'delivered',
      'delivered',
      'delivered',
      'pending',
    ])
    await page.getByRole('button', { name: 'Delete act-5' }).click()
    const question = page.getByRole('dialog', { name: 'Delete act-5?' })
    await question.getByRole('button', { name: 'Cancel' }).click()
    await question.waitFor({ state: 'hidden' })
    expect(await status('act-5')).toBe('pending')
    await page.getByRole('button', { name: 'Delete act-5' }).click()
    await question.getByRole('button', { name: 'Delete' }).click()
    await page.getByText('act-5 deleted.').waitFor()
    expect((await inbox.get('/inbox/act-5')).status).toBe(404)
  })

  test('shows one event whole in a dialog that a keyboard opens and closes, its numbers as they were sent', async ({
    inbox,
    open,
  }) => {
    await inbox.post(
      '{"event_id":"whole","payload":{"big":12345678901234567890,"f":1.50},"metadata":{"who":"me"}}',
    )
    const page = await open('#/inbox?event=whole')
    const dialog = page.getByRole('dialog', { name: 'whole' })
    await dialog.getByText('12345678901234567890').waitFor()
    expect(await dialog.innerText()).toContain('"f": 1.50')
    for (const label of ['Status', 'Created', 'Updated', 'Retries', 'Payload', 'Metadata'])
      expect(await dialog.innerText()).toContain(label)
    await page.keyboard.press('Escape')
    await dialog.waitFor({ state: 'hidden' })
    await expect.poll(() => page.url()).not.toContain('event=')
    await page.getByRole('link', { name: 'whole', exact: true }).focus()
    await page.keyboard.press('Enter')
    await dialog.getByRole('button', { name: 'Acknowledge' }).click()
    await expect.poll(async () => (await inbox.event('whole')).status).toBe('delivered')
    await dialog.getByText('Delivered').waitFor()
  })

  test('holds 1,000 events', async ({ inbox, open }) => {
    await inbox.call(
      'POST',
      '/events',
      Array.from({ length: 1_000 }, (_, n) => ({ payload: { n } })),
    )
    const page = await open('#/inbox?limit=1000')
    await page.getByText('1,000 shown of').waitFor()
    expect(await page.locator('tbody tr').count()).toBe(1_000)
  })
})

describe('dead letters', () => {
  test('are listed with their reasons, and redriven one, some, or all', async ({ inbox, open }) => {
    for (const [id, reason] of [
      ['d-1', 'card declined'],
      ['d-2', 'timeout'],
      ['d-3', 'timeout'],
      ['d-4', 'timeout'],
    ] as const) {
      await inbox.postId(id)
      for (let n = 0; n < 3; n++) await inbox.nack(id, reason)
    }
    await expect.poll(async () => (await inbox.deadLetters()).length).toBe(4)
    const page = await open('#/dead-letters')
    await page.getByRole('cell', { name: 'card declined' }).first().waitFor()
    await page.getByRole('button', { name: 'Redrive d-1 in inbox' }).click()
    await page.getByText('1 redriven.').waitFor()
    await page.getByLabel('Select d-2 in inbox').check()
    await page.getByRole('button', { name: 'Redrive 1 selected' }).click()
    await page.mouse.move(1, 1)
    await expect.poll(async () => (await inbox.event('d-2')).status).toBe('pending')
    await page.getByRole('button', { name: 'Redrive all 2' }).click()
    const question = page.getByRole('dialog', { name: 'Redrive all 2 dead letters?' })
    await question.getByRole('button', { name: 'Redrive all' }).click()
    await page.mouse.move(1, 1)
    await page.getByText('No dead letters.').waitFor()
    expect((await inbox.metrics()).failed).toBe(0)
  })
})

describe('sending', () => {
  test('validates as one types, shows the answer, and sends the text as it was typed', async ({
    inbox,
    open,
  }) => {
    const page = await open('#/send')
    const payload = page.getByLabel('Payload, a JSON object')
    await payload.fill('{"n": 1.0')
    await page.getByText('No JSON yet').waitFor()
    expect(await page.getByRole('button', { name: 'Send' }).isDisabled()).toBe(true)
    await payload.fill('[1]')
    await page.getByText('not an object').waitFor()
    await payload.fill('{"n": 1.0}')
    await page.getByRole('button', { name: 'Send' }).click()
    const news = page.getByText('Accepted as')
    await news.waitFor()
    const id = await page.getByText('Accepted as').getByRole('link').innerText()
    expect((await inbox.get(`/inbox/${id}`)).text).toContain('"payload":{"n": 1.0}')
  })
})

test('the script is less than 70 kB', () => {
  expect(gzipSync(scriptSource()).length).toBeLessThan(70_000)
})

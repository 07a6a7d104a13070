import { createHmac } from 'node:crypto'
import type { Locator, Page } from 'playwright-core'
import { describe, expect } from 'vitest'
import { computed, expectAccessible, test as base } from '../support/browser'
import type { Inbox } from '../support/world'

/** The view of the sources, after deliveries that were signed as their senders sign them. */

const SECRETS = { github: 'a secret of github', stripe: 'whsec_of_stripe', form: 'token-of-form' }
/** As long as a name may be; its secret is missing. */
const UNREADY = 'without-a-secret'.padEnd(64, '-and-long')

const hmac = (secret: string, text: string) =>
  createHmac('sha256', secret).update(text).digest('hex')

const postTo = async (
  inbox: Inbox,
  source: string,
  body: string,
  headers: Record<string, string>,
) => {
  const url = new URL(`/in/${source}`, inbox.url)
  const answer = await fetch(url, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', ...headers },
    body,
  })
  await answer.text()
  return answer.status
}

const postGithub = (inbox: Inbox, id: string, secret = SECRETS.github, source = 'github') => {
  const body = JSON.stringify({ delivery: id })
  return postTo(inbox, source, body, {
    'X-GitHub-Event': 'push',
    'X-GitHub-Delivery': id,
    'X-Hub-Signature-256': `sha256=${hmac(secret, body)}`,
  })
}

const postStripe = (inbox: Inbox, id: string, secret = SECRETS.stripe) => {
  const body = JSON.stringify({ id, type: 'charge.succeeded' })
  const at = Math.floor(Date.now() / 1_000)
  const signature = `t=${at},v1=${hmac(secret, `${at}.${body}`)}`
  return postTo(inbox, 'stripe', body, { 'Stripe-Signature': signature })
}

const lastEventOf = async (inbox: Inbox, name: string) =>
  (await inbox.metrics()).sources.find((each) => each.name === name)?.last_event_id

const test = base
  .extend('vars', { scope: 'file' }, async () => ({
    SOURCES: JSON.stringify([
      { name: 'github', type: 'github' },
      { name: 'stripe', type: 'stripe' },
      { name: 'quiet', type: 'github' },
      { name: 'form', type: 'url-token', id: '/id' },
      { name: UNREADY, type: 'slack' },
    ]),
    SOURCE_SECRETS: JSON.stringify({
      github: [SECRETS.github],
      stripe: [SECRETS.stripe],
      quiet: [SECRETS.github],
      form: [SECRETS.form],
    }),
  }))
  .extend('filled', { scope: 'file', auto: true }, async ({ inbox }) => {
    const statuses = [
      await postGithub(inbox, 'first'),
      await postGithub(inbox, 'second'),
      await postGithub(inbox, 'first'),
      await postGithub(inbox, 'forged', 'a wrong secret'),
      await postGithub(inbox, 'second'),
      await postGithub(inbox, 'third'),
      await postStripe(inbox, 'evt_1'),
      await postStripe(inbox, 'evt_2', 'a wrong secret'),
      await postStripe(inbox, 'evt_3', 'a wrong secret'),
    ]
    expect(statuses).toEqual([200, 200, 200, 401, 200, 200, 200, 401, 401])
    await inbox.post({ payload: { of: 'nobody' }, metadata: { source: 'github-like' } })
    await inbox.drained()
  })

const rowOf = (page: Page, name: string): Locator =>
  page
    .locator('inbox-sources tbody tr')
    .filter({ has: page.locator('.name', { hasText: new RegExp(`^${name}$`) }) })

const cell = (page: Page, name: string, label: string) =>
  rowOf(page, name).locator(`td[data-label="${label}"]`).innerText()

const countsOf = (page: Page, name: string) =>
  Promise.all(['Accepted', 'Duplicates', 'Refused'].map((label) => cell(page, name, label)))

describe('the sources', () => {
  test('are listed with type, URL, set-up, counts of what came, and which are not ready', async ({
    inbox,
    open,
  }) => {
    const page = await open('#/sources')
    await page.getByText('5 shown').waitFor()
    const names = await page.locator('inbox-sources .name').allInnerTexts()
    expect(names).toEqual(['github', 'stripe', 'quiet', 'form', UNREADY])
    await expect.poll(() => countsOf(page, 'github')).toEqual(['3', '2', '1'])
    expect(await countsOf(page, 'stripe')).toEqual(['1', '0', '2'])
    expect(await countsOf(page, 'quiet')).toEqual(['0', '0', '0'])
    expect(await cell(page, 'quiet', 'Last event')).toBe('none yet')
    expect(await cell(page, 'stripe', 'Source')).toBe('stripe')
    const setup = await cell(page, 'stripe', 'URL')
    expect(setup).toContain(new URL('/in/stripe', inbox.url).href)
    expect(setup).toContain('whsec_…')
    const notReady = page.getByText('Not ready: the log says why')
    expect(await notReady.count()).toBe(1)
    expect(await rowOf(page, UNREADY).innerText()).toContain('Not ready: the log says why')
  })

  test('are asked for once, and their counts rise with the metrics', async ({ inbox, open }) => {
    const page = await open()
    await page.getByText('Delivery rate').waitFor()
    const asked: string[] = []
    page.on('request', (request) => asked.push(new URL(request.url()).pathname))
    await page.evaluate(
      `document.querySelector("event-inbox").refreshSeconds = 0.2
       document.dispatchEvent(new Event("visibilitychange"))`,
    )
    await page.getByRole('link', { name: 'Sources' }).click()
    await page.getByText('5 shown').waitFor()
    const before = asked.length
    await expect.poll(() => asked.length).toBeGreaterThan(before + 3)
    expect(await countsOf(page, 'quiet')).toEqual(['0', '0', '0'])
    expect(await postGithub(inbox, 'later', SECRETS.github, 'quiet')).toBe(200)
    await expect.poll(() => countsOf(page, 'quiet')).toEqual(['1', '0', '0'])
    await rowOf(page, 'quiet').getByRole('link', { name: 'the last event of quiet' }).waitFor()
    expect(asked.filter((path) => path !== '/metrics')).toEqual(['/sources'])
  })

  test('open their last event, and Back leads to them again', async ({ inbox, open }) => {
    const page = await open('#/sources')
    await page.getByRole('link', { name: 'the last event of github' }).focus()
    await page.keyboard.press('Enter')
    const id = (await lastEventOf(inbox, 'github')) ?? ''
    const dialog = page.getByRole('dialog', { name: id })
    await dialog.getByText('"delivery": "third"').waitFor()
    await page.goBack()
    await page.getByRole('heading', { name: 'Sources' }).waitFor()
  })

  test('show exactly their events in the inbox, and Back leads to them again', async ({ open }) => {
    const page = await open('#/sources')
    await page.getByRole('link', { name: 'Show its events: github' }).click()
    await page.getByText('3 shown of 3').waitFor()
    const rows = await page.locator('inbox-events tbody tr code.preview').allInnerTexts()
    expect(rows.map((text) => JSON.parse(text).delivery).toSorted()).toEqual([
      'first',
      'second',
      'third',
    ])
    await page.getByRole('button', { name: 'Remove the filter Source github' }).waitFor()
    await page.goBack()
    await page.getByRole('heading', { name: 'Sources' }).waitFor()
    expect(new URL(page.url()).hash).toBe('#/sources')
  })

  test('have URLs that a button copies, or says that the browser does not let it', async ({
    inbox,
    open,
  }) => {
    const page = await open('#/sources', { permissions: ['clipboard-read', 'clipboard-write'] })
    const copied = () => page.evaluate('navigator.clipboard.readText()')
    const copy = (name: string) => page.getByRole('button', { name: `Copy the URL of ${name}` })
    await copy('github').focus()
    await page.keyboard.press('Enter')
    await page.getByRole('status').filter({ hasText: 'URL of github copied.' }).waitFor()
    expect(await copied()).toBe(new URL('/in/github', inbox.url).href)
    await copy('form').click()
    await page.getByText('URL of form copied. Put the secret in place of {token}.').waitFor()
    expect(await copied()).toBe(`${new URL('/in/form', inbox.url).href}/{token}`)
    await page.evaluate('Object.defineProperty(navigator, "clipboard", { value: undefined })')
    await copy('stripe').click()
    await page.getByRole('alert').filter({ hasText: 'does not let this page copy' }).waitFor()
    await page.getByText('URL of form copied.').waitFor({ state: 'detached' })
  })

  test('tell no secret', async ({ open }) => {
    const page = await open('')
    const answers: Promise<string>[] = []
    page.on('response', (response) => answers.push(response.text()))
    await page.getByRole('link', { name: 'Sources' }).click()
    await page.getByText('5 shown').waitFor()
    const inner = 'document.querySelector("event-inbox").shadowRoot.querySelector("inbox-sources")'
    const shown = String(await page.evaluate(`${inner}.shadowRoot.innerHTML`))
    const all = [shown, ...(await Promise.all(answers))]
    expect(all.join()).toContain('/in/form/{token}')
    for (const secret of Object.values(SECRETS))
      expect(all.filter((text) => text.includes(secret))).toEqual([])
  })

  test('that there are none, or no longer, is said with what to do', async ({ open }) => {
    const page = await open('')
    await page.getByText('Delivery rate').waitFor()
    await page.route('**/sources', (route) =>
      route.fulfill({ json: { data: [], timestamp: new Date().toISOString() } }),
    )
    await page.getByRole('link', { name: 'Sources' }).click()
    expect(await cell(page, 'github', 'URL')).toBe('Not in the configuration any more')
    expect(await countsOf(page, 'github')).toEqual(['3', '2', '1'])
    await page.route('**/metrics', async (route) => {
      const { data } = await (await route.fetch()).json()
      await route.fulfill({ json: { data: { ...data, sources: [] } } })
    })
    await page.evaluate('document.dispatchEvent(new Event("visibilitychange"))')
    await page.getByText('npm run source -- github github').waitFor()
    await expectAccessible(page)
  })

  test('fit every screen, in light and dark: no axe violation, nothing wider than the screen', async ({
    open,
  }) => {
    const page = await open('#/sources', { reducedMotion: 'reduce' })
    await page.getByRole('link', { name: 'the last event of github' }).waitFor()
    const table = page.locator('inbox-sources table')
    for (const width of [320, 390, 704, 990, 1_280]) {
      for (const colorScheme of ['light', 'dark'] as const) {
        await page.setViewportSize({ width, height: 900 })
        await page.emulateMedia({ colorScheme })
        await expectAccessible(page)
        const room = await page.locator('inbox-sources section').boundingBox()
        const taken = await table.evaluate((element) => Number(Reflect.get(element, 'scrollWidth')))
        expect([width, await page.evaluate('document.documentElement.scrollWidth')]).toEqual([
          width,
          width,
        ])
        expect([width, taken]).toEqual([width, expect.toSatisfy((of) => of <= (room?.width ?? 0))])
      }
      const display = await computed(table.locator('td').first(), 'display')
      expect([width, display]).toEqual([width, width > 720 ? 'table-cell' : 'flex'])
    }
    // Without a long one beside it, a short name is not broken to make room for the rest.
    const rows = table.locator('tbody tr')
    await rows.evaluateAll((all) => all.slice(2).forEach((row) => row.setAttribute('hidden', '')))
    const name = await page.locator('inbox-sources .name').first().boundingBox()
    expect(name?.height).toBeLessThan(30)
  })
})

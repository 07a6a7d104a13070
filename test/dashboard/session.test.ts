import { createServer } from 'node:http'
import { once } from 'node:events'
import { describe, expect, onTestFinished } from 'vitest'
import { launch, test as base } from '../support/browser'

/** Who is signed in where, and that the page is never blank. */

const test = base.extend('vars', { scope: 'file' }, async () => ({
  API_TOKENS: JSON.stringify([
    { name: 'development', token: 'dev-token', scopes: ['read', 'write', 'manage', 'consume'] },
    { name: 'reader', token: 'reader-token', scopes: ['read'] },
    { name: 'sender', token: 'sender-token', scopes: ['write'] },
    { name: 'worker', token: 'worker-token', scopes: ['consume'] },
  ]),
}))

/** A page of another origin. */
async function site(html: string, headers: Record<string, string> = {}): Promise<string> {
  const server = createServer((_request, response) =>
    response.writeHead(200, { 'Content-Type': 'text/html', ...headers }).end(html),
  )
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  const address = server.address()
  return `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}/`
}

describe('the token', () => {
  test('that is half typed after a refusal stays: nothing is asked for until it is sent', async ({
    open,
  }) => {
    const page = await open('', { token: 'wrong' })
    await page.getByRole('alert').filter({ hasText: 'not known' }).waitFor()
    await page.evaluate('document.querySelector("event-inbox").refreshSeconds = 0.1')
    let asked = 0
    page.on('request', (request) => (asked += Number(!request.url().endsWith('/health'))))
    await page.getByLabel('API token').fill('dev-to')
    await page.evaluate('document.dispatchEvent(new Event("visibilitychange"))')
    await page.evaluate('fetch("/health").then(() => new Promise((r) => setTimeout(r, 500)))')
    expect([await page.getByLabel('API token').inputValue(), asked]).toEqual(['dev-to', 0])
    await page.getByLabel('API token').fill('dev-token')
    await page.keyboard.press('Enter')
    await page.getByText('Delivery rate').waitFor()
  })

  test('that was typed for one inbox is sent to no other; signing out forgets it', async ({
    inbox,
    open,
  }) => {
    const page = await open()
    await page.getByText('Delivery rate').waitFor()
    const sent: string[] = []
    const other = 'http://127.0.0.1:9/elsewhere/'
    page.on('request', (request) => sent.push(request.url()))
    await page.evaluate(`document.querySelector('event-inbox').endpoint = '${other}'`)
    await page.getByLabel('API token').waitFor()
    expect(sent).toEqual([])
    await page.evaluate(`document.querySelector('event-inbox').endpoint = '${inbox.url.href}'`)
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.getByLabel('API token').waitFor()
    await page.reload()
    // The test's own script puts it there at each load.
    expect(await page.evaluate('sessionStorage.length')).toBe(1)
    await page.getByRole('button', { name: 'Sign out' }).click()
    expect(await page.evaluate('sessionStorage.length')).toBe(0)
  })

  test('that no request can carry is refused with a word, and the form stays', async ({ open }) => {
    const page = await open('', { token: 'sécrét' })
    await page.getByRole('alert').filter({ hasText: 'token must be' }).waitFor()
    await page.getByLabel('API token').fill('→')
    await page.keyboard.press('Enter')
    await page.getByRole('alert').filter({ hasText: 'token must be' }).waitFor()
    await page.getByLabel('API token').fill(' dev-token ')
    await page.keyboard.press('Enter')
    await page.getByText('Delivery rate').waitFor()
  })

  test('goes with the path of an endpoint', async ({ open, inbox }) => {
    const page = await open()
    await page.getByText('Delivery rate').waitFor()
    const asked = page.waitForRequest('**/below/inbox/metrics')
    await page.evaluate(
      `Object.assign(document.querySelector('event-inbox'), { endpoint: '${inbox.url.href}below/inbox/', token: 'dev-token' })`,
    )
    expect((await asked).headers()['authorization']).toBe('Bearer dev-token')
  })

  test('is kept in memory in a sandboxed frame, which may store nothing', async ({
    inbox,
    open,
  }) => {
    const inner = `<script type=module src=${inbox.url.href}event-inbox.js></script>
      <event-inbox endpoint=${inbox.url.href}></event-inbox>`
    const url = await site(
      `<iframe sandbox="allow-scripts allow-forms" width=900 height=600 srcdoc='${inner}'></iframe>`,
    )
    const page = await open('', { url, token: '' })
    const frame = page.frameLocator('iframe')
    await frame.getByLabel('API token').fill('dev-token')
    await frame.getByRole('button', { name: 'Show the inbox' }).click()
    await frame.getByText('Delivery rate').waitFor()
    await frame.getByRole('link', { name: 'Inbox' }).click()
    await frame.getByRole('heading', { name: 'Inbox' }).waitFor()
  })

  test('is asked for in a page with a base, which keeps its own address', async ({
    inbox,
    open,
  }) => {
    const url = await site(`<base href=/elsewhere/>
      <script type=module src=${inbox.url.href}event-inbox.js></script>
      <event-inbox endpoint=${inbox.url.href}></event-inbox>`)
    const page = await open('', { url, token: '' })
    await page.getByLabel('API token').fill('dev-token')
    await page.keyboard.press('Enter')
    await page.getByRole('link', { name: 'Sources' }).click()
    await page.getByRole('heading', { name: 'Sources' }).waitFor()
    expect(page.url()).toBe(`${url}#/sources`)
  })

  test('offers only what its scopes allow', async ({ inbox, open }) => {
    await inbox.postId('readable')
    const page = await open('#/inbox', { token: 'reader-token' })
    await page.getByRole('link', { name: 'readable', exact: true }).click()
    const dialog = page.getByRole('dialog', { name: 'readable' })
    await dialog.getByText('Timeline').waitFor()
    await page.getByText('reader', { exact: true }).waitFor({ state: 'attached' })
    const offered = await page.getByRole('button', { includeHidden: true }).allInnerTexts()
    const forbidden = /ack|nack|retry|delete|redrive|acknowledge/i
    expect(offered.filter((text) => forbidden.test(text))).toEqual([])
    expect(await page.getByRole('checkbox', { name: 'Select', includeHidden: true }).count()).toBe(
      0,
    )
    expect(await page.getByRole('link', { name: 'Send', includeHidden: true }).count()).toBe(0)
  })
})

test('a token that may write alone sends; one that may do nothing here is told why', async ({
  inbox,
  open,
}) => {
  const page = await open('#/inbox', { token: 'sender-token' })
  await page.getByRole('heading', { name: 'Send a test event' }).waitFor()
  expect(await page.getByRole('navigation').getByRole('link').allInnerTexts()).toEqual(['Send'])
  let asked = 0
  page.on('request', (request) => (asked += Number(request.method() === 'GET')))
  await page.getByRole('button', { name: 'Send' }).click()
  const id = await page.getByText('Accepted as').getByRole('link').innerText()
  expect((await inbox.event(id)).status).toBe('pending')
  expect(asked).toBe(0)
  const reader = await open('#/send', { token: 'reader-token' })
  await reader.getByText('This token may not send events').waitFor()
  const other = await open('', { token: 'worker-token' })
  await other.getByRole('alert').filter({ hasText: 'read' }).waitFor()
  await other.getByLabel('API token').waitFor()
})

test('a token that may write alone sends though it was not known at once who has it', async ({
  open,
}) => {
  const page = await open('', { token: '' })
  await page.route('**/whoami', (route) => route.abort(), { times: 1 })
  await page.getByLabel('API token').fill('sender-token')
  await page.keyboard.press('Enter')
  await page.getByRole('alert').filter({ hasText: 'not known' }).waitFor()
  await page.getByRole('button', { name: 'Try again' }).click()
  await page.getByRole('heading', { name: 'Send a test event' }).waitFor()
})

test('what ends after the page went on to another inbox is none of its changes', async ({
  inbox,
  open,
}) => {
  await inbox.post({ event_id: 'former', payload: { set: 'former' } })
  const page = await open('#/inbox?payload.set=former')
  await page.evaluate(
    'globalThis.told = 0; document.addEventListener("inbox-change", () => told++)',
  )
  const held = Promise.withResolvers<void>()
  await page.route('**/inbox/former/ack', async (route) => {
    await held.promise
    await route.continue()
  })
  await page.getByRole('button', { name: 'Ack former', exact: true }).click()
  const answered = page.waitForResponse('**/inbox/former/ack')
  await page.evaluate(`document.querySelector('event-inbox').token = 'reader-token'`)
  await page.getByText('reader', { exact: true }).waitFor()
  held.resolve()
  await (await answered).finished()
  await page.evaluate('new Promise((resolve) => setTimeout(resolve))')
  expect(await page.evaluate('told')).toBe(0)
})

test('what was typed to be sent outlives a refusal of the token, and no sign-out', async ({
  open,
}) => {
  const page = await open('#/send')
  const payload = page.getByLabel('Payload, a JSON object')
  await payload.fill('{"mine": 1}')
  await page.route('**/metrics', (route) =>
    route.fulfill({
      status: 401,
      json: { code: 'UNAUTHORIZED', detail: 'The token was taken back.' },
    }),
  )
  await page.evaluate('document.dispatchEvent(new Event("visibilitychange"))')
  await page.getByRole('alert').filter({ hasText: 'taken back' }).waitFor()
  await page.unroute('**/metrics')
  await page.getByLabel('API token').fill('dev-token')
  await page.keyboard.press('Enter')
  await payload.waitFor()
  expect(await payload.inputValue()).toBe('{"mine": 1}')
  await page.getByRole('button', { name: 'Sign out' }).click()
  await page.getByLabel('API token').fill('dev-token')
  await page.keyboard.press('Enter')
  await payload.waitFor()
  expect(await payload.inputValue()).not.toContain('mine')
})

test('views of one token never show, or change, what another one may see', async ({
  inbox,
  open,
}) => {
  await inbox.postId('of-two')
  const page = await open('#/inbox')
  await page.getByLabel('Select of-two').check()
  await page.getByText('1 selected').waitFor()
  const asked = page.waitForRequest('**/inbox?**')
  await page.evaluate(`document.querySelector('event-inbox').token = 'reader-token'`)
  expect((await asked).headers()['authorization']).toBe('Bearer reader-token')
  await page.getByText('reader', { exact: true }).waitFor()
  await page.getByRole('link', { name: 'of-two', exact: true }).waitFor()
  expect(await page.getByText('1 selected').count()).toBe(0)
  expect(await page.getByRole('button', { name: /^Acknowledge/ }).count()).toBe(0)
  await page.getByRole('link', { name: 'Sources' }).click()
  await page.getByRole('heading', { name: 'Sources' }).waitFor()
  const again = page.waitForRequest('**/sources')
  await page.evaluate(`document.querySelector('event-inbox').token = 'dev-token'`)
  expect((await again).headers()['authorization']).toBe('Bearer dev-token')
})

test('an endpoint that is no URL is said, and a right one mends it', async ({ inbox, open }) => {
  const page = await open()
  await page.getByText('Delivery rate').waitFor()
  await page.evaluate(`document.querySelector('event-inbox').endpoint = 'http://'`)
  await page.getByRole('alert').filter({ hasText: 'The endpoint is not a URL' }).waitFor()
  await page.evaluate(`document.querySelector('event-inbox').endpoint = '${inbox.url.href}'`)
  await page.getByText('Delivery rate').waitFor()
})

describe('the page is not blank', () => {
  test('where the browser’s own locale is malformed', async ({ inbox }) => {
    const browser = await launch({ LANG: 'C', LC_ALL: 'C' })
    onTestFinished(() => browser.close())
    const page = await browser.newPage()
    await page.addInitScript(
      `const broken = Intl.NumberFormat
       Intl.NumberFormat = new Proxy(broken, { construct(target, [locale, ...rest]) {
         if (locale === undefined) throw new RangeError('Incorrect locale information provided')
         return new target(locale, ...rest)
       } })`,
    )
    await page.goto(inbox.url.href)
    await page.getByLabel('API token').waitFor()
  })

  test('where Trusted Types are required, and says what to allow where Lit may not make its own', async ({
    inbox,
    open,
  }) => {
    const html = `<script type=module src=${inbox.url.href}event-inbox.js></script>
      <event-inbox endpoint=${inbox.url.href}></event-inbox>`
    const required = await site(html, {
      'Content-Security-Policy': "require-trusted-types-for 'script'",
    })
    const page = await open('', { url: required, token: '' })
    await page.getByLabel('API token').fill('dev-token')
    await page.keyboard.press('Enter')
    await page.getByRole('list', { name: 'Events in the last hour' }).waitFor()
    const forbidden = await site(html, {
      'Content-Security-Policy': "require-trusted-types-for 'script'; trusted-types 'none'",
    })
    const blank = await open('', { url: forbidden, token: '' })
    await blank.getByRole('alert').filter({ hasText: 'trusted-types lit-html' }).waitFor()
  })

  test('when a part of it cannot be drawn', async ({ open }) => {
    const page = await open('#/')
    await page.getByText('Delivery rate').waitFor()
    await page.evaluate(
      'document.querySelector("event-inbox").shadowRoot.querySelector("inbox-overview").metrics = { per_minute: null }',
    )
    await page.getByRole('alert').filter({ hasText: 'cannot be shown' }).waitFor()
  })
})

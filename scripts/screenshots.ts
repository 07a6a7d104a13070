/**
 * Takes the pictures of the pages.
 * It needs a running inbox that has events of each status, which `npm start` and `npm run demo` make.
 * @example npm run screenshots -- [--url http://localhost:8787] [--token dev-token]
 */
import { parseArgs } from 'node:util'
import chromium from '@sparticuz/chromium'
import { chromium as playwright } from 'playwright-core'
import { fail, failBy, INBOX_OPTIONS, inboxAt } from './inbox.ts'

const { values } = parseArgs({ options: INBOX_OPTIONS })

const counts = await inboxAt(values)
  .metrics()
  .catch((error) => failBy(error, values))
const missing = (['pending', 'delivered', 'failed'] as const).filter((status) => !counts[status])
if (missing.length > 0)
  fail(
    `The inbox at ${values.url} has no ${missing.join(' and no ')} events. Fill it with "npm run demo".`,
  )

const [failed] = (await inboxAt(values).list({ status: 'failed', limit: 1 })).data
const wide = { width: 1280, height: 800, colorScheme: 'light' } as const
const PICTURES = [
  { name: 'overview-wide', hash: '', shows: 'Delivery rate', ...wide },
  { name: 'overview-dark', hash: '', shows: 'Delivery rate', ...wide, colorScheme: 'dark' },
  { name: 'inbox-wide', hash: '#/inbox', shows: 'shown of', ...wide },
  { name: 'event-wide', hash: `#/inbox?event=${failed?.event_id}`, shows: 'Timeline', ...wide },
  { name: 'dead-letters-wide', hash: '#/dead-letters', shows: 'shown of', ...wide },
  {
    name: 'inbox-narrow',
    hash: '#/inbox?status=pending',
    shows: 'shown of',
    width: 360,
    height: 800,
    colorScheme: 'dark',
  },
] as const

const browser = await playwright.launch({
  executablePath: await chromium.executablePath(),
  args: chromium.args.filter((arg) => arg !== '--single-process' && arg !== '--no-zygote'),
})
for (const { name, hash, shows, width, height, colorScheme } of PICTURES) {
  const page = await browser.newPage({ viewport: { width, height }, colorScheme, locale: 'en-GB' })
  await page.addInitScript(
    ([key, token]) => sessionStorage.setItem(String(key), String(token)),
    [`event-inbox-token ${new URL(values.url).origin}`, values.token],
  )
  await page.goto(`${values.url}/${hash}`)
  await page.getByText(shows).waitFor()
  const path = `examples/screenshots/${name}.png`
  await page.screenshot({ path })
  console.log(path)
}
await browser.close()

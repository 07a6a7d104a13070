import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { expect, onTestFinished } from 'vitest'
import { computed, test } from '../support/browser'

const EXAMPLE = 'https://event-inbox.example.workers.dev'

test('the example page of another origin, with its own policy, shows the inbox and keeps its style to itself', async ({
  inbox,
  open,
}) => {
  await inbox.postId('embedded')
  const host = inbox.url.origin
  // A page that shouts, to see that nothing of it gets in.
  const html = readFileSync('examples/embed.html', 'utf8')
    .replaceAll(EXAMPLE, host)
    .replace(
      '<style>',
      '<style nonce="n">button, td { color: rgb(1, 2, 3) !important; text-transform: uppercase !important; }',
    )
    .replace('<script type="module">', '<script type="module" nonce="n">')
  const policy = `default-src 'none'; script-src 'nonce-n' ${host}; style-src 'nonce-n'; connect-src ${host}`
  const site = createServer((_request, response) =>
    response
      .writeHead(200, { 'Content-Type': 'text/html', 'Content-Security-Policy': policy })
      .end(html),
  )
  site.listen(0, '127.0.0.1')
  await once(site, 'listening')
  onTestFinished(() => void site.close())
  const address = site.address()
  const url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}/`
  const page = await open('#/inbox', { url })
  const button = page.getByRole('button', { name: 'Ack embedded', exact: true })
  await button.waitFor()
  expect(new URL(page.url()).origin).not.toBe(host)
  expect([await computed(button, 'color'), await computed(button, 'textTransform')]).not.toEqual([
    'rgb(1, 2, 3)',
    'uppercase',
  ])
  await button.click()
  await page.getByText('ack: embedded').waitFor()
  expect((await inbox.event('embedded')).status).toBe('delivered')

  // Themed from outside: custom properties, and parts.
  expect(await computed(page.locator('nav a[aria-current]'), 'color')).toBe('rgb(124, 58, 237)')
  await page.getByRole('link', { name: 'Overview' }).click()
  const first = page.locator('event-inbox').locator('[part="card"]').first()
  await first.waitFor()
  expect(await computed(first, 'fontFamily')).toContain('Georgia')
  expect(await computed(first, 'paddingTop')).toBe('24px')
  // And nothing of it gets out.
  expect(await computed(page.locator('h1'), 'fontFamily')).not.toContain('system-ui')
  expect(await page.evaluate('document.body.scrollWidth <= innerWidth')).toBe(true)
})

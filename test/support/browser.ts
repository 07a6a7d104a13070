import { readFileSync } from 'node:fs'
import chromium from '@sparticuz/chromium'
import axe from 'axe-core'
import {
  type BrowserContextOptions,
  chromium as playwright,
  type Locator,
  type Page,
} from 'playwright-core'
import { expect } from 'vitest'
import { test as base } from './world'

/** A real Chromium from the package registry, one for a file of tests. */
export async function launch(env: Record<string, string> = {}) {
  // In a single process, closing one page would end them all.
  const args = chromium.args.filter((arg) => arg !== '--single-process' && arg !== '--no-zygote')
  return playwright.launch({
    executablePath: await chromium.executablePath(),
    args,
    env: { ...process.env, ...env },
  })
}

const AXE = axe.source
export const SCRIPT = 'public/event-inbox.js'
export const scriptSource = () => readFileSync(SCRIPT)

export const test = base
  .extend('browser', { scope: 'file' }, async ({ server }, { onCleanup }) => {
    await server.listen()
    const browser = await launch()
    onCleanup(() => browser.close())
    return browser
  })
  .extend('open', async ({ browser, inbox }, { onCleanup }) => {
    const contexts: { close(): Promise<void> }[] = []
    onCleanup(async () => {
      for (const context of contexts) await context.close()
    })
    /**
     * Opens the dashboard at a hash, with the development token unless told otherwise. Any script error fails the test.
     */
    return async (
      hash = '',
      {
        token = 'dev-token',
        url = inbox.url.href,
        loading = false,
        ...options
      }: BrowserContextOptions & { token?: string; url?: string; loading?: boolean } = {},
    ) => {
      const context = await browser.newContext({ locale: 'en-GB', ...options })
      contexts.push(context)
      context.setDefaultTimeout(20_000)
      const page = await context.newPage()
      // An answer that does not come.
      if (loading) await page.route('**/metrics', () => {})
      page.on('pageerror', (error) => {
        throw error
      })
      page.on('dialog', (dialog) => void dialog.accept())
      // For the inbox itself, and for one that is served through a relay.
      for (const { origin } of token ? [inbox.url, new URL(url)] : [])
        await page.addInitScript(
          ([key, value]) => sessionStorage.setItem(String(key), String(value)),
          [`event-inbox-token ${origin}`, token],
        )
      await page.goto(`${url}${hash}`)
      return page
    }
  })

/** The number on a card of the overview. */
export const card = (page: Page, label: string) =>
  page.locator(`div[part="card"]:has(dt:text-is("${label}")) dd`).evaluate((dd) =>
    [...dd.childNodes]
      .filter(({ nodeName }) => nodeName !== 'SMALL' && nodeName !== '#comment')
      .map(({ textContent }) => textContent)
      .join('')
      .trim(),
  )

/** What the browser computed for one style property. */
export const computed = (locator: Locator, property: string): Promise<string> =>
  locator.evaluate(
    (element, name) => Reflect.get(globalThis, 'getComputedStyle')(element)[name],
    property,
  )

/** @returns how many rules axe looked at; fails when one is violated */
export async function expectAccessible(page: Page): Promise<number> {
  await page.evaluate(AXE)
  const { violations, passes } = await page.evaluate(async () => {
    const {
      run,
    }: {
      run(
        options: object,
      ): Promise<{ violations: { id: string; nodes: { html: string }[] }[]; passes: unknown[] }>
    } = Reflect.get(globalThis, 'axe')
    return run({
      runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
    })
  })
  expect(
    violations.map(({ id, nodes }) => [id, nodes.slice(0, 3).map((node) => node.html)]),
  ).toEqual([])
  return passes.length
}

import { mkdirSync } from 'node:fs'
import chromium from '@sparticuz/chromium'
import { chromium as playwright } from 'playwright-core'
import { expect } from 'vitest'
import { test as base } from './world'

const test = base.extend('page', async ({ inbox }, { onCleanup }) => {
  const browser = await playwright.launch({
    executablePath: await chromium.executablePath(),
    args: chromium.args,
  })
  onCleanup(() => browser.close())
  const page = await browser.newPage()
  await page.goto(inbox.url.href)
  return page
})

test('asks for the token, says when it is wrong, then shows counts that rise as events come in', async ({
  inbox,
  page,
}) => {
  const problems: string[] = []
  page.on('pageerror', (error) => problems.push(error.message))
  const use = async (token: string) => {
    await page.getByLabel('API token').fill(token)
    await page.getByRole('button', { name: 'Show the inbox' }).click()
  }
  const count = async (label: string) =>
    page.locator('event-inbox').locator(`div:has(dt:text-is("${label}")) dd`).innerText()

  await use('wrong')
  await page.getByRole('alert').filter({ hasText: 'not known' }).waitFor()
  await use('dev-token')
  await expect.poll(() => count('Total')).toBe('0')
  expect(await count('Last processed')).toBe('never')

  for (let n = 0; n < 3; n++) await inbox.post({ payload: { n } })
  await expect.poll(() => count('Total')).toBe('3')
  expect([await count('Pending'), await count('Delivered'), await count('Failed')]).toEqual([
    '3',
    '0',
    '0',
  ])
  await expect.poll(() => count('Queue depth')).toBe('0')
  expect(problems).toEqual([])
  mkdirSync('.wrangler', { recursive: true })
  await page.screenshot({ path: '.wrangler/dashboard.png' })
})

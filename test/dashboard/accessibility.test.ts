import type { Page } from 'playwright-core'
import { describe, expect } from 'vitest'
import { expectAccessible, test as base } from '../support/browser'
import { inParallel } from '../support/world'

/** An inbox with events in every status, over more than a page, and with dead letters. */
const test = base.extend('filled', { scope: 'file', auto: true }, async ({ inbox }) => {
  await inParallel(80, 10, async (n) => {
    const event = {
      event_id: `seen-${n}`,
      payload: { n, text: 'é "x" 😀' },
      metadata: { from: 'a test' },
    }
    await inbox.post(event)
  })
  for (const id of ['seen-2', 'seen-3']) await inbox.ack(id)
  for (const id of ['seen-4', 'seen-5', 'seen-6'])
    for (let n = 0; n < 3; n++) await inbox.nack(id, 'card declined')
  await expect.poll(async () => (await inbox.deadLetters()).length).toBe(3)
  await inbox.drained()
})

/** Waits until a view shows what it is about. */
async function ready(page: Page, hash: string): Promise<void> {
  const of = (name: string) => page.getByRole('heading', { name, exact: true })
  if (hash.includes('event=')) return page.getByRole('dialog').getByText('Timeline').waitFor()
  if (hash.includes('reason=')) return page.getByText('3 shown of 3').waitFor()
  if (hash.includes('name=')) return page.getByText('claims wait').waitFor()
  if (hash.includes('/inbox')) return page.getByText(/shown of/).waitFor()
  const titles: Record<string, string> = {
    '#/overview': 'Last hour, events a minute',
    '#/dead-letters': 'By reason',
    '#/sources': 'Sources',
    '#/send': 'Send a test event',
  }
  await of(titles[hash] ?? '').waitFor()
}

describe('everybody', () => {
  const views = [
    '#/overview',
    '#/inbox',
    '#/inbox?status=failed',
    '#/inbox?since=own&payload.n=1',
    '#/dead-letters',
    '#/dead-letters?reason=card+declined',
    '#/consumers?name=inbox',
    '#/sources',
    '#/send',
    '#/inbox?event=seen-1',
  ]
  for (const [name, width] of [
    ['wide', 1_280],
    ['narrow', 360],
  ] as const) {
    for (const colorScheme of ['light', 'dark'] as const) {
      test(`can use every view, ${name} and ${colorScheme}: no axe violation, nothing wider than the screen`, async ({
        open,
      }) => {
        const look = {
          viewport: { width, height: 900 },
          colorScheme,
          reducedMotion: 'reduce',
        } as const
        let rules = 0
        const expectFine = async (page: Page, state: string) => {
          rules += await expectAccessible(page)
          const shown = await page.evaluate('document.documentElement.scrollWidth')
          expect([state, shown]).toEqual([state, width])
        }
        const page = await open('', look)
        await page.getByText('Delivery rate').waitFor()
        for (const hash of views) {
          await page.evaluate(`location.hash = '${hash}'`)
          await ready(page, hash)
          await expectFine(page, hash)
        }
        await page.context().setOffline(true)
        await page.evaluate('document.dispatchEvent(new Event("visibilitychange"))')
        await page.getByRole('alert').waitFor()
        await expectFine(page, 'error')
        for (const state of ['no token', 'loading']) {
          const other = await open('', {
            ...look,
            token: state === 'no token' ? '' : 'dev-token',
            loading: state === 'loading',
          })
          await other.getByText(state === 'loading' ? 'Loading …' : 'Sign in').waitFor()
          await expectFine(other, state)
        }
        console.info(
          `axe, ${name} and ${colorScheme}: ${rules} rules passed in ${views.length + 3} views and states, 0 violated`,
        )
      }, 120_000)
    }
  }
})

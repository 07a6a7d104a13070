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

describe('everybody', () => {
  const views = [
    '',
    '#/inbox',
    '#/inbox?event=seen-1',
    '#/inbox?status=failed',
    '#/inbox?since=own&payload.n=1',
    '#/dead-letters',
    '#/dead-letters?reason=card+declined',
    '#/consumers?name=inbox',
    '#/sources',
    '#/send',
  ]
  for (const [name, width] of [
    ['wide', 1_280],
    ['narrow', 360],
  ] as const) {
    for (const colorScheme of ['light', 'dark'] as const) {
      test(`can use every view, ${name} and ${colorScheme}: no axe violation, nothing wider than the screen`, async ({
        open,
      }) => {
        let rules = 0
        for (const hash of [...views, 'no token', 'loading', 'error']) {
          const page = await open(hash.startsWith('#') ? hash : '', {
            viewport: { width, height: 900 },
            colorScheme,
            token: hash === 'no token' ? '' : 'dev-token',
            reducedMotion: 'reduce',
            loading: hash === 'loading',
          })
          if (hash !== 'no token') await page.getByRole('navigation', { name: 'Views' }).waitFor()
          if (hash === '') await page.getByText('Delivery rate').waitFor()
          if (hash.includes('event=')) await page.getByRole('dialog').getByText('Payload').waitFor()
          if (hash === 'error') {
            await page.context().setOffline(true)
            await page.evaluate('document.dispatchEvent(new Event("visibilitychange"))')
            await page.getByRole('alert').waitFor()
          }
          rules += await expectAccessible(page)
          expect([hash, await page.evaluate('document.documentElement.scrollWidth')]).toEqual([
            hash,
            width,
          ])
          await page.close()
        }
        console.info(
          `axe, ${name} and ${colorScheme}: ${rules} rules passed in ${views.length + 3} views and states, 0 violated`,
        )
      }, 120_000)
    }
  }
})

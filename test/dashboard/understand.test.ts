import { execFileSync } from 'node:child_process'
import { describe, expect } from 'vitest'
import { test as base } from '../support/browser'

/** An event as it was sent, what happened to it, who has it, and what failed together. */

const test = base.extend('vars', { scope: 'file' }, async () => ({
  SUBSCRIPTIONS: JSON.stringify([
    { name: 'billing', filter: { 'metadata.source': 'shop' }, max_attempts: 1 },
    { name: 'mail', filter: { 'metadata.source': 'shop' }, max_attempts: 1 },
  ]),
}))

describe('a body', () => {
  test('is shown and copied as it was sent: long numbers, equal keys, and no reordering', async ({
    inbox,
    open,
  }) => {
    const payload =
      '{"n": 12345678901234567890, "a": 1.50, "a": "x\u202etxt.exe", "deep": {"b": []}}'
    await inbox.post(`{"event_id":"exact","payload":${payload}}`)
    const page = await open('#/inbox?event=exact', {
      permissions: ['clipboard-read', 'clipboard-write'],
    })
    const dialog = page.getByRole('dialog', { name: 'exact' })
    const text = dialog.getByRole('region', { name: 'Payload' })
    await text.waitFor()
    expect(await text.innerText()).toBe(
      `{\n  "n": 12345678901234567890,\n  "a": 1.50,\n  "a": "x\\u202etxt.exe",\n  "deep": {\n    "b": []\n  }\n}`,
    )
    await dialog.getByRole('button', { name: 'As sent' }).first().click()
    expect(await text.innerText()).toBe(payload.replace('\u202e', '\\u202e'))
    await dialog.getByRole('button', { name: 'Copy payload' }).click()
    await dialog.getByText('Payload copied.').waitFor()
    expect(await page.evaluate('navigator.clipboard.readText()')).toBe(payload)
    await dialog.getByRole('button', { name: 'Copy as curl' }).click()
    await dialog.getByText('Command copied.').waitFor()
    const command = String(await page.evaluate('navigator.clipboard.readText()'))
    const sent = '{"n":12345678901234567890,"a":1.50,"a":"x\u202etxt.exe","deep":{"b":[]}}'
    expect(command).toContain(`--data-raw '{"payload":${sent}}'`)
    expect(command).not.toContain('dev-token')
    await dialog.getByRole('button', { name: 'Copy link' }).click()
    expect(await page.evaluate('navigator.clipboard.readText()')).toBe(page.url())
  })

  test('keeps its order where strings are read from right to left', async ({ inbox, open }) => {
    await inbox.post({ event_id: 'rtl', payload: { שלום: 'مرحبا', user: 'שלום 123 (admin)' } })
    const page = await open('#/inbox?event=rtl')
    const text = page.getByRole('dialog').getByRole('region', { name: 'Payload' })
    await text.waitFor()
    expect(await text.innerText()).toBe('{\n  "שלום": "مرحبا",\n  "user": "שלום 123 (admin)"\n}')
    const strings = await text.locator('bdi').all()
    const boxes = await Promise.all(strings.map((each) => each.boundingBox()))
    const [key, value, name] = boxes
    expect(strings.length).toBe(3)
    // A key stands before its value, and a comma after it.
    expect(value?.x).toBeGreaterThan((key?.x ?? 0) + (key?.width ?? 0))
    expect(name?.x).toBeGreaterThan(key?.x ?? 0)
  })

  test('of any size goes into a command that a shell can run', async ({ inbox, open }) => {
    const text = `it's "x" $HOME \\ ! `.repeat(8_000)
    await inbox.post({ event_id: 'large', payload: { text } })
    const page = await open('#/inbox?event=large', {
      permissions: ['clipboard-read', 'clipboard-write'],
    })
    await page.getByRole('button', { name: 'Copy as curl' }).click()
    await page.getByText('Command copied.').waitFor()
    const input = String(await page.evaluate('navigator.clipboard.readText()'))
    const env = { ...process.env, EVENT_INBOX_TOKEN: 'dev-token' }
    const answer = execFileSync('bash', ['-s'], { input, env, encoding: 'utf8', stdio: 'pipe' })
    const { event_id }: { event_id: string } = JSON.parse(answer).data
    expect((await inbox.event(event_id)).payload).toEqual({ text })
  })

  test('can be selected where the clipboard is blocked, and the page says so', async ({
    inbox,
    open,
  }) => {
    await inbox.postId('blocked')
    const page = await open('#/inbox?event=blocked')
    await page.evaluate(
      `Object.defineProperty(navigator, 'clipboard', { value: { writeText: () => Promise.reject(new Error()) } })`,
    )
    await page.getByRole('button', { name: 'Copy payload' }).click()
    await page.getByText('The browser does not let this page copy').waitFor()
  })
})

test('the timeline tells what happened, who did it and why; a nack asks for its reason', async ({
  inbox,
  open,
}) => {
  await inbox.post(
    { event_id: 'told', payload: {}, metadata: { source: 'elsewhere' } },
    { 'X-Correlation-ID': 'trace-told' },
  )
  const page = await open('#/inbox?event=told')
  const dialog = page.getByRole('dialog', { name: 'told', exact: true })
  await dialog.getByRole('button', { name: 'Nack' }).click()
  const question = page.getByRole('dialog', { name: 'Nack told' })
  await question.getByRole('button', { name: 'Nack' }).click()
  // Without a reason it does not go.
  expect(await question.isVisible()).toBe(true)
  await question.getByLabel('Reason').fill('no such customer')
  await question.getByRole('button', { name: 'Nack' }).click()
  const timeline = dialog.getByRole('region', { name: 'Timeline' })
  await timeline.getByText('no such customer').waitFor()
  expect(await timeline.innerText()).toMatch(/Accepted[\s\S]*Nacked[\s\S]*development/)
  expect(await dialog.innerText()).toMatch(/Subscriptions\s+inbox\s+Scheduled, attempt/)
  await dialog.getByRole('link', { name: 'trace-told' }).click()
  await expect.poll(() => page.url()).toContain('correlation_id=trace-told')
})

describe('dead letters', () => {
  test('are grouped by reason with counts, and a group is redriven at once; one letter of two alone', async ({
    inbox,
    open,
  }) => {
    for (const id of ['both', 'one']) {
      await inbox.post({ event_id: id, payload: { id }, metadata: { source: 'shop' } })
      for (const subscription of id === 'both' ? ['billing', 'mail'] : ['billing'])
        await inbox.call('POST', `/inbox/${id}/nack`, { subscription, error: `no ${subscription}` })
    }
    await expect.poll(async () => (await inbox.deadLetters()).length).toBe(3)
    const page = await open('#/dead-letters')
    const groups = page.getByRole('region', { name: 'By reason' })
    await groups.getByRole('link', { name: 'no billing' }).waitFor()
    expect(await groups.locator('tbody tr').first().innerText()).toMatch(/no billing\s+2\s/)
    // Of one event, one letter.
    await page.getByLabel('Select both in mail').check()
    expect(await page.getByLabel('Select both in billing').isChecked()).toBe(false)
    await page.getByRole('button', { name: 'Redrive 1 selected' }).click()
    await expect
      .poll(async () => (await inbox.deadLetters()).map(({ subscription }) => subscription))
      .toEqual(['billing', 'billing'])
    // Its payload beside it.
    await page.getByRole('link', { name: 'one', exact: true }).click()
    await page.getByRole('dialog', { name: 'one' }).getByText('"id": "one"').waitFor()
    await page.keyboard.press('Escape')
    await groups.getByRole('button', { name: /with the reason no billing/ }).click()
    await page
      .getByRole('dialog', { name: 'Redrive 2 dead letters?' })
      .getByRole('button', { name: 'Redrive them' })
      .click()
    await page.getByText('2 redriven.').waitFor()
    await expect.poll(async () => (await inbox.deadLetters()).length).toBe(0)
  })
})

test('nothing can be redriven by the numbers of another view while its own are on their way', async ({
  inbox,
  open,
}) => {
  for (const [id, reason] of [
    ['view-1', 'one reason'],
    ['view-2', 'another reason'],
  ] as const) {
    await inbox.post({ event_id: id, payload: {}, metadata: { source: 'shop' } })
    await inbox.call('POST', `/inbox/${id}/nack`, { subscription: 'mail', error: reason })
  }
  await expect.poll(async () => (await inbox.deadLetters()).length).toBe(2)
  const page = await open('#/dead-letters?reason=one+reason')
  await page.getByText('1 shown of 1').waitFor()
  const held: (() => void)[] = []
  await page.route('**/dlq?limit=**', async (route) => {
    await new Promise<void>((resolve) => held.push(resolve))
    await route.continue()
  })
  await page.getByRole('button', { name: 'Remove the filter of the reason' }).click()
  const all = page.getByRole('button', { name: /^Redrive all/ })
  await all.waitFor()
  expect([await all.isDisabled(), await page.getByText('shown of').count()]).toEqual([true, 0])
  await expect.poll(() => held.length).toBeGreaterThan(0)
  for (const release of held) release()
  await page.getByText('2 shown of 2').waitFor()
  expect(await all.isDisabled()).toBe(false)
})

test('the consumers have their counts, and who holds what until when', async ({ inbox, open }) => {
  await inbox.post({ event_id: 'held', payload: {}, metadata: { source: 'shop' } })
  const wish = { subscription: 'mail', consumer: 'mailer-7', limit: 100, lease_seconds: 600 }
  // A claim takes from one shard.
  const claimed = async () =>
    (await inbox.claim(wish)).body.data.some(({ event_id }) => event_id === 'held')
  await expect.poll(claimed).toBe(true)
  const page = await open('#/consumers')
  await page.getByRole('link', { name: 'mail', exact: true }).click()
  const held = page.getByRole('region', { name: 'mail', exact: true })
  const row = held.locator('tbody tr').filter({ hasText: 'held' })
  expect(await row.innerText()).toContain('mailer-7')
  await held.getByRole('link', { name: 'held', exact: true }).click()
  const dialog = page.getByRole('dialog', { name: 'held' })
  await dialog.getByText('Leased').waitFor()
})

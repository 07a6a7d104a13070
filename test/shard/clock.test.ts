import { describe, expect } from 'vitest'
import { test as base } from '../support/steering'
import { type Inbox, inParallel } from '../support/world'

const HOUR_MS = 3_600_000

const test = base
  .override('vars', { SHARD_COUNT: '1', MAX_RETRIES: '2' })
  /** While `work` runs, the clock is an hour ahead; alarms that are set then come an hour late. */
  .extend('anHourAhead', async ({ steer }) => async (work: () => Promise<void>) => {
    await steer({ shiftMs: HOUR_MS })
    await work()
    await steer({ shiftMs: 0, clockStands: false })
  })

/** Posts an event that D1 does not take, so that its shard backs off. */
async function backOff(inbox: Inbox, id: string): Promise<void> {
  await inbox.withoutD1(async () => {
    await inbox.postId(id)
    // A listing has the shard write, whatever its alarm is set for.
    expect((await inbox.get('/inbox')).status).toBe(503)
    expect((await inbox.event(id)).retry_count).toBeGreaterThan(0)
  })
}

const stored = (inbox: Inbox, id: string) =>
  expect.poll(async () => (await inbox.rows(`event_id = '${id}'`)).length)

describe('after the clock went back an hour', () => {
  test('the next event has D1 told of all that waits', async ({ inbox, anHourAhead }) => {
    await anHourAhead(() => backOff(inbox, 'waits-for-company'))
    await inbox.postId('company')
    await stored(inbox, 'waits-for-company').toBe(1)
    await stored(inbox, 'company').toBe(1)
  })

  test('a listing has D1 told of all that waits', async ({ inbox, anHourAhead }) => {
    await anHourAhead(() => backOff(inbox, 'waits-for-reader'))
    expect((await inbox.get('/inbox')).text).toContain('waits-for-reader')
  })

  test('the cron trigger has D1 told of all that waits', async ({ inbox, server, anHourAhead }) => {
    await anHourAhead(() => backOff(inbox, 'waits-for-cron'))
    await server.getWorker<Env>().scheduled({ cron: '*/5 * * * *' })
    await stored(inbox, 'waits-for-cron').toBe(1)
  })

  test('what D1 refused is tried again', async ({ inbox, anHourAhead }) => {
    await anHourAhead(async () => {
      await inbox.refuse('INSERT', "NEW.event_id = 'parked'")
      await inbox.postId('parked')
      expect((await inbox.get('/inbox')).body.unstored).toBe(1)
      await inbox.takeAgain()
    })
    await inbox.postId('beside')
    await stored(inbox, 'parked').toBe(1)
  })

  test('dead letters that could not be sent are sent', async ({ inbox, anHourAhead }) => {
    await inbox.postId('letter')
    await inbox.drained()
    await anHourAhead(() =>
      inbox.withoutD1(async () => {
        for (let n = 0; n < 2; n++) await inbox.nack('letter', 'no')
        await inbox.get('/inbox')
      }),
    )
    await inbox.postId('after-letter')
    await expect.poll(async () => (await inbox.deadLetters()).length).toBe(1)
  })

  test('no drain waits for company that came an hour ahead', async ({
    inbox,
    steer,
    anHourAhead,
  }) => {
    await anHourAhead(async () => {
      // However long they take, they come at once.
      await steer({ clockStands: true })
      await inParallel(40, 40, async (n) => void (await inbox.postId(`crowd-${n}`)))
      await inbox.get('/inbox')
    })
    await inbox.postId('after-crowd')
    await stored(inbox, 'after-crowd').toBe(1)
    await inbox.expectVerified()
  })

  test('a listing is answered, though it went back while D1 was silent', async ({
    inbox,
    steer,
  }) => {
    await inbox.drained()
    await steer({ hold: ['writes'] })
    await inbox.postId('silenced')
    const listing = inbox.get('/inbox')
    await expect.poll(() => steer()).toMatchObject({ writes: 1 })
    await steer({ shiftMs: -HOUR_MS })
    expect((await listing).body.unstored).toBe(1)
    // The write itself has not been given up yet: D1 may take longer than a reader.
    expect((await inbox.event('silenced')).retry_count).toBe(0)
    await steer({ hold: [], shiftMs: 0 })
    await stored(inbox, 'silenced').toBe(1)
  })

  test('an event is later than those before it, also when its shard was restarted', async ({
    inbox,
    server,
    anHourAhead,
  }) => {
    await anHourAhead(async () => void (await inbox.postId('earlier')))
    await server.getWorker<Env>().evictDurableObject('SHARD', { name: 'shard-0' })
    await inbox.postId('later')
    const { created_at } = await inbox.event('earlier')
    expect((await inbox.event('later')).created_at > created_at).toBe(true)
    await inbox.expectVerified()
  })
})

test('after the clock went forward an hour, D1 is told at once', async ({ inbox, anHourAhead }) => {
  await backOff(inbox, 'hurried')
  await anHourAhead(async () => {
    expect((await inbox.get('/inbox')).text).toContain('hurried')
  })
  await inbox.postId('after-hurried')
  await stored(inbox, 'after-hurried').toBe(1)
  await inbox.expectVerified()
})

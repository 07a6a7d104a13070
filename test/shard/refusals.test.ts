import { describe, expect } from 'vitest'
import { type Inbox, inParallel, test as base } from '../support/world'

const test = base.override('vars', { SHARD_COUNT: '1', MAX_RETRIES: '1' })

/** While `work` runs, D1 refuses such changes. */
async function refusing(
  inbox: Inbox,
  verb: 'INSERT' | 'UPDATE' | 'DELETE',
  when: string,
  work: () => Promise<void>,
): Promise<void> {
  await inbox.refuse(verb, when)
  await work()
  await inbox.takeAgain()
}

const parked = (inbox: Inbox, id: string) =>
  expect.poll(() => inbox.shardRows(0, 'SELECT 1 FROM parked WHERE event_id = ?', id))

describe('many refused events in one drain', () => {
  test('fail, all of them and nobody else, though they are too many to be found one by one', async ({
    inbox,
  }) => {
    await refusing(inbox, 'INSERT', "NEW.event_id LIKE 'poison-%'", async () => {
      await inbox.withoutD1(() =>
        inParallel(
          400,
          40,
          async (n) => void (await inbox.postId(n % 10 === 3 ? `poison-${n}` : `good-${n}`)),
        ),
      )
      await expect.poll(async () => (await inbox.metrics()).failed).toBe(40)
      await inbox.drained()
      expect(await inbox.rows()).toHaveLength(360)
      await expect.poll(async () => (await inbox.deadLetters()).length).toBe(40)
      await inbox.expectVerified()
    })
    await inbox.call('POST', '/dlq/retry', { all: true })
    await inbox.drained()
    expect(await inbox.rows()).toHaveLength(400)
    await inbox.expectVerified()
  })

  test('keep their bodies when they are acknowledged in the middle of it', async ({ inbox }) => {
    const ids = Array.from({ length: 150 }, (_, n) => `kept-${n}`)
    await refusing(
      inbox,
      'INSERT',
      "NEW.event_id LIKE 'kept-%' AND NEW.status = 'pending'",
      async () => {
        await inbox.withoutD1(() =>
          inParallel(ids.length, 30, async (n) => void (await inbox.postId(ids[n] ?? ''))),
        )
        await inParallel(ids.length, 10, async (n) => void (await inbox.ack(ids[n] ?? '')))
        for (const id of ids) expect((await inbox.event(id)).payload).toEqual({ event_id: id })
      },
    )
    await inbox.call('POST', '/dlq/retry', { all: true })
    await inbox.drained()
    expect(await inbox.rows("event_id LIKE 'kept-%'")).toHaveLength(150)
    await inbox.expectVerified()
  })
})

test('an event that its consumer failed while D1 refuses it is given up, and stays so until it is redriven', async ({
  inbox,
}) => {
  await refusing(inbox, 'INSERT', "NEW.event_id = 'both'", async () => {
    await inbox.withoutD1(async () => {
      await inbox.postId('both')
      await inbox.nack('both', 'no')
    })
    await inbox.drained()
    expect(await inbox.shardRows(0, "SELECT retry_at FROM parked WHERE event_id = 'both'")).toEqual(
      [{ retry_at: null }],
    )
    await inbox.expectVerified()
  })
  await inbox.retry('both')
  await inbox.drained()
  expect(await inbox.rows("event_id = 'both'")).toMatchObject([{ status: 'pending' }])
  await inbox.expectVerified()
})

describe('what D1 had to be told besides is not forgotten when it refused at first', () => {
  test('that an event was deleted before another one came under its id', async ({ inbox }) => {
    await inbox.post({ event_id: 'again', payload: { v: 1 } })
    await inbox.drained()
    await refusing(inbox, 'INSERT', "NEW.event_id = 'again'", async () => {
      await inbox.withoutD1(async () => {
        await inbox.call('DELETE', '/inbox/again')
        expect((await inbox.post({ event_id: 'again', payload: { v: 2 } })).status).toBe(202)
      })
      await expect.poll(async () => (await inbox.event('again')).status).toBe('failed')
    })
    await inbox.retry('again')
    await inbox.drained()
    expect(await inbox.rows("event_id = 'again'")).toMatchObject([
      { payload: '{"v":2}', status: 'pending' },
    ])
    await inbox.expectVerified()
  })

  test('that a deletion it refused must come before the next event under the id', async ({
    inbox,
  }) => {
    await inbox.post({ event_id: 'sticky', payload: { v: 1 } })
    await inbox.drained()
    await refusing(inbox, 'DELETE', "OLD.event_id = 'sticky'", async () => {
      await inbox.call('DELETE', '/inbox/sticky')
      await parked(inbox, 'sticky').toHaveLength(1)
      expect((await inbox.post({ event_id: 'sticky', payload: { v: 2 } })).status).toBe(202)
      await expect.poll(async () => (await inbox.event('sticky')).status).toBe('failed')
      expect((await inbox.metrics()).queue_depth).toBe(0)
    })
    await inbox.retry('sticky')
    await inbox.drained()
    expect(await inbox.rows("event_id = 'sticky'")).toMatchObject([
      { payload: '{"v":2}', status: 'pending' },
    ])
    await inbox.expectVerified()
  })

  test('that a redriven event is no dead letter any more', async ({ inbox }) => {
    await inbox.postId('redriven')
    await inbox.nack('redriven', 'no')
    const isListed = async () =>
      (await inbox.deadLetters()).some(({ event_id }) => event_id === 'redriven')
    await expect.poll(isListed).toBe(true)
    await refusing(inbox, 'UPDATE', "NEW.event_id = 'redriven'", async () => {
      await inbox.retry('redriven')
      await parked(inbox, 'redriven').toHaveLength(1)
    })
    await parked(inbox, 'redriven').toHaveLength(0)
    expect(await isListed()).toBe(false)
    expect(await inbox.rows("event_id = 'redriven'")).toMatchObject([{ status: 'pending' }])
    await inbox.expectVerified()
  })
})

test('a change that D1 refuses does not keep later events of its shard waiting', async ({
  inbox,
}) => {
  await inbox.postId('stuck')
  await inbox.drained()
  await refusing(inbox, 'UPDATE', "OLD.event_id = 'stuck'", async () => {
    await inbox.ack('stuck')
    await parked(inbox, 'stuck').toHaveLength(1)
    const waits: number[] = []
    for (const id of ['later-1', 'later-2', 'later-3', 'later-4', 'later-5']) {
      await inbox.postId(id)
      const postedAt = Date.now()
      await expect.poll(() => inbox.rows(`event_id = '${id}'`), { interval: 5 }).toHaveLength(1)
      waits.push(Date.now() - postedAt)
    }
    // Its retries are a second apart, at least.
    expect(waits.toSorted((a, b) => a - b)[2]).toBeLessThan(500)
  })
})

import { expect, test } from 'vitest'
import { startServer, storageFolder } from './server-process'
import type { InboxEvent } from './world'

test('`npm start` with a port and a folder serves there, with the schema in place, and keeps what it stored', async () => {
  const folder = storageFolder()
  const first = await startServer(folder)
  expect((await first.post({ event_id: 'kept', payload: {} })).status).toBe(202)
  await first.stop()

  const second = await startServer(folder)
  const { body } = await second.get<InboxEvent[]>('/inbox')
  expect(body).toMatchObject({
    data: [{ event_id: 'kept', status: 'pending' }],
    total: 1,
    unstored: 0,
  })
  expect(await (await fetch(second.url)).text()).toContain('<event-inbox')
  await second.stop()
})

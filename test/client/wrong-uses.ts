import type { Client } from './uses'

/** What the document forbids does not compile: a line that does is an error, as the one before it expects one. */
export async function useWrongly(client: Client) {
  // @ts-expect-error: a payload is an object
  await client.POST('/events', { body: { payload: 17 } })
  // @ts-expect-error: an event has a payload
  await client.POST('/events', { body: { event_id: 'a' } })
  // @ts-expect-error: nor does an event of a batch do without one
  await client.POST('/events', { body: [{ payload: {} }, { metadata: {} }] })
  // @ts-expect-error: a CloudEvent has a type
  await client.POST('/events', { body: { specversion: '1.0', id: '1', source: '/shop' } })
  // @ts-expect-error: there is no such parameter
  await client.GET('/inbox', { params: { query: { state: 'pending' } } })
  // @ts-expect-error: there is no such direction
  await client.GET('/inbox', { params: { query: { order: 'up' } } })
  // @ts-expect-error: a limit is a number
  await client.GET('/inbox', { params: { query: { limit: 'all' } } })
  // @ts-expect-error: the id is missing
  await client.POST('/inbox/{id}/ack', {})
  // @ts-expect-error: ids are a list
  await client.POST('/inbox/ack', { body: { event_ids: 'a' } })
  // @ts-expect-error: all or not at all
  await client.POST('/dlq/retry', { body: { all: false } })
  // @ts-expect-error: there is no such path
  await client.GET('/outbox')
  // @ts-expect-error: events are not replaced
  await client.PUT('/events', {})
  const { data, error } = await client.GET('/inbox/{id}', { params: { path: { id: 'a' } } })
  // @ts-expect-error: there is no such status
  if (data?.data.status === 'done') return data
  // @ts-expect-error: an event has no such member
  if (data?.data.colour) return data
  // @ts-expect-error: what a member of the payload is, nobody knows
  if (data?.data.payload.order > 17) return data
  // @ts-expect-error: there is no such code
  return error?.code === 'GONE'
}

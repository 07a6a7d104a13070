import createClient from 'openapi-fetch'
import type { paths } from 'openapi-types'

/** What others do with a client made of `openapi.json`. */

export type Client = ReturnType<typeof clientOf>

export function clientOf(url: URL, token: string) {
  const headers = { Authorization: `Bearer ${token}` }
  return createClient<paths>({ baseUrl: url.href, headers })
}

export async function postOne(client: Client) {
  const { data } = await client.POST('/events', { body: { payload: { order: 17 } } })
  if (!data || Array.isArray(data.data)) throw new Error('one event has one result')
  const { event_id, status } = data.data
  return { event_id, status }
}

export async function postTwice(client: Client, event_id: string) {
  const body = { event_id, payload: { order: 18, lines: [{ sku: 'a', count: 2 }] }, metadata: null }
  await client.POST('/events', { body })
  const { error } = await client.POST('/events', { body })
  return error?.code === 'DUPLICATE_EVENT_ID' ? [error.event_status, error.created_at] : error
}

export async function postBatch(client: Client) {
  const body = [
    { event_id: 'b-1', payload: { n: 1 }, metadata: { source: 'shop' } },
    { event_id: 'b-1', payload: { n: 1 } },
    { payload: { n: 2 } },
  ]
  const { data } = await client.POST('/events', { body })
  if (!Array.isArray(data?.data)) throw new Error('a batch has a result each')
  return data.data.map((result) => {
    switch (result.status) {
      case 'accepted':
        return result.event_id.length > 0
      case 'duplicate':
        return result.event_status
      case 'rejected':
        return result.error.code
    }
  })
}

export async function postLines(client: Client) {
  const { response } = await client.POST('/events', {
    body: '{"payload": {"n": 3}}\n{"payload": {"n": 4}}\n',
    headers: { 'Content-Type': 'application/x-ndjson' },
    bodySerializer: String,
  })
  return response.status
}

export async function postCloudEvent(client: Client) {
  const { data } = await client.POST('/events', {
    body: { specversion: '1.0', id: '1', source: '/shop', type: 'paid', traceid: 't', data: [1] },
    headers: { 'Content-Type': 'application/cloudevents+json' },
  })
  return data && !Array.isArray(data.data) ? data.data.status : undefined
}

export async function postOnceByKey(client: Client) {
  const options = {
    params: { header: { 'Idempotency-Key': 'order-19', 'X-Correlation-ID': 'trace-1' } },
    body: { payload: { order: 19 } },
  }
  await client.POST('/events', options)
  const { response } = await client.POST('/events', options)
  return [response.headers.get('Idempotency-Replayed'), response.headers.get('X-Correlation-ID')]
}

export async function listOrders(client: Client) {
  const { data } = await client.GET('/inbox', {
    params: {
      query: {
        status: 'pending',
        from: '2026-01-01',
        filter: { 'payload.order': 17 },
        sort: 'created_at',
        order: 'asc',
        limit: 10,
      },
    },
  })
  // Without whole bodies they would have a payload_preview.
  return data?.data.flatMap((event) =>
    'payload' in event ? [[event.payload.order, event.metadata, event.retry_count]] : [],
  )
}

export async function listPreviews(client: Client) {
  const { data } = await client.GET('/inbox', { params: { query: { body: 'preview', limit: 1 } } })
  return data?.data.map((event) => ('members' in event ? event.members : null))
}

export async function nameOf(client: Client) {
  const { data } = await client.GET('/whoami')
  return [data?.data.name, data?.data.scopes]
}

export async function settle(client: Client, id: string) {
  const params = { path: { id } }
  const nack = await client.POST('/inbox/{id}/nack', { params, body: { error: 'card declined' } })
  const ack = await client.POST('/inbox/{id}/ack', { params })
  const again = await client.POST('/inbox/{id}/ack', { params })
  return [nack.data?.data.retry_count, ack.data?.data.status, again.error?.code]
}

export async function ackMany(client: Client, event_ids: string[]) {
  const { data } = await client.POST('/inbox/ack', { body: { event_ids } })
  return data?.data.map((each) => (each.status === 'rejected' ? each.error.code : each.status))
}

export async function redrive(client: Client) {
  const { data } = await client.POST('/dlq/retry', { body: { reason: 'card declined' } })
  const letters = await client.GET('/dlq', { params: { query: { limit: 5 } } })
  return [data?.data.redriven, letters.data?.data.map(({ reason }) => reason)]
}

export async function count(client: Client) {
  const { data: answer } = await client.GET('/metrics', { params: { query: { detail: 'shards' } } })
  if (!answer || typeof answer === 'string') throw new Error('nobody asked for text')
  const { total, per_minute, shards = [] } = answer.data
  return { total, minutes: per_minute.length, shards: shards.map(({ shard }) => shard) }
}

export async function scrape(client: Client) {
  const { data } = await client.GET('/metrics', {
    params: { query: { format: 'prometheus' } },
    parseAs: 'text',
  })
  return data
}

export async function remove(client: Client, id: string) {
  const { data } = await client.DELETE('/inbox/{id}', { params: { path: { id } } })
  const { error } = await client.GET('/inbox/{id}', { params: { path: { id } } })
  return [data?.data.status, error?.status]
}

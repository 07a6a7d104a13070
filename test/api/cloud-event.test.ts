import { CloudEvent, emitterFor, httpTransport, type Message, Mode } from 'cloudevents'
import { describe, expect } from 'vitest'
import { AUTHORIZED, test } from '../support/world'

describe('CloudEvents', () => {
  const time = '2026-11-21T08:30:00.000Z'
  const make = (id: string, data: unknown) =>
    new CloudEvent({
      id,
      source: 'https://shop.example/orders',
      type: 'com.example.paid',
      subject: 'order 17',
      time,
      data,
      tenant: 'north',
    })

  for (const [name, mode] of [
    ['binary', Mode.BINARY],
    ['structured', Mode.STRUCTURED],
  ] as const) {
    test(`of the SDK in ${name} mode: data as payload, attributes as metadata, source and id as identity`, async ({
      inbox,
    }) => {
      const statuses: number[] = []
      const ids = new Set<string>()
      const emit = emitterFor(
        async (message: Message) => {
          const { status, body } = await inbox.call(
            'POST',
            '/events',
            String(message.body),
            message.headers as Record<string, string>,
          )
          statuses.push(status)
          if (status === 202) ids.add(body.data.event_id)
        },
        { mode },
      )
      await emit(make(name, { order: 17 }))
      await emit(make(name, { order: 17 }))
      expect(statuses).toEqual([202, 409])
      const [id = ''] = ids
      expect(id).toMatch(/^cloudevents-[A-Za-z0-9_-]{43}$/)
      const event = await inbox.event(id)
      expect(event.payload).toEqual({ order: 17 })
      expect(event.metadata).toMatchObject({
        specversion: '1.0',
        id: name,
        source: 'https://shop.example/orders',
        type: 'com.example.paid',
        subject: 'order 17',
        time,
        tenant: 'north',
      })
    })
  }

  test.for([
    ['binary', Mode.BINARY, 's\ufffdbject 100%'],
    ['structured', Mode.STRUCTURED, 's\u00fcbject 100%'],
  ] as const)(
    'of the SDK over a socket in %s mode are kept, also where it encodes no header',
    async ([name, mode, subject], { inbox }) => {
      const event = make(`socket-${name}`, { order: 17 })
      const emit = emitterFor(httpTransport(new URL('/events', inbox.url)), { mode })
      const answer = (await emit(event.cloneWith({ subject: 's\u00fcbject 100%' }), {
        headers: AUTHORIZED,
      })) as { body: string }
      const { data } = JSON.parse(answer.body)
      expect((await inbox.event(data.event_id)).metadata).toMatchObject({ id: event.id, subject })
    },
  )

  test.for([
    ['%FF', '%FF'],
    ['100%', '100%'],
    ['s%C3%BCbject', 's\u00fcbject'],
    ['"a \\"b\\""', 'a "b"'],
    [Buffer.from('s\u00fcbject').toString('latin1'), 's\u00fcbject'],
    ['s\u00fcbject', 's\ufffdbject'],
  ])('with a header value of %j have an attribute of %j', async ([value, subject], { inbox }) => {
    const head = { 'ce-specversion': '1.0', 'ce-source': '/header', 'ce-type': 't' }
    const id = Buffer.from(value).toString('hex')
    const { status, body } = await inbox.post('{}', { ...head, 'ce-id': id, 'ce-subject': value })
    expect(status).toBe(202)
    expect((await inbox.event(body.data.event_id)).metadata).toMatchObject({ subject })
  })

  test('with a damaged id are events of their own, as they may differ', async ({ inbox }) => {
    const head = { 'ce-specversion': '1.0', 'ce-source': '/damaged', 'ce-type': 't' }
    const ids = new Set<string>()
    for (const id of ['\u00e4', '\u00f6'])
      ids.add((await inbox.post('{}', { ...head, 'ce-id': id })).body.data.event_id)
    expect(ids.size).toBe(2)
  })

  test('of the SDK in a batch', async ({ inbox }) => {
    const batch = [make('b1', { n: 1 }), make('b2', [1, 2]), make('b1', { n: 1 })]
    const answer = await inbox.call<{ event_id: string; status: string }[]>(
      'POST',
      '/events',
      batch.map((event) => event.toJSON()),
      { 'Content-Type': 'Application/CloudEvents-Batch+JSON; charset=utf-8' },
    )
    expect(answer.body.data.map(({ status }) => status)).toEqual([
      'accepted',
      'accepted',
      'duplicate',
    ])
    expect((await inbox.event(answer.body.data[1]?.event_id ?? '')).payload).toEqual({
      data: [1, 2],
    })
  })

  test('are the same event in whatever mode they come, and another one from another source', async ({
    inbox,
  }) => {
    const event = { specversion: '1.0', id: 'x', source: '/a', type: 't' }
    const structured = { 'Content-Type': 'application/cloudevents+json' }
    expect((await inbox.post(event, structured)).status).toBe(202)
    const binary = {
      'Content-Type': 'text/plain',
      'ce-specversion': '1.0',
      'ce-id': 'x',
      'ce-source': '/a',
      'ce-type': 't',
    }
    expect((await inbox.post('hello', binary)).status).toBe(409)
    expect((await inbox.post({ ...event, source: '/b' }, structured)).status).toBe(202)
  })

  test('keep any data: text, bytes, JSON that is no object, none, and numbers as they were written', async ({
    inbox,
  }) => {
    const attributes = (id: string) => ({
      'ce-specversion': '1.0',
      'ce-id': id,
      'ce-source': '/data',
      'ce-type': '%E2%82%AC%20t',
    })
    const post = async (id: string, body: string | Uint8Array, contentType?: string) => {
      const posted = await inbox.call('POST', '/events', Buffer.from(body), {
        ...attributes(id),
        ...(contentType && { 'Content-Type': contentType }),
      })
      return (await inbox.get(`/inbox/${posted.body.data.event_id}`)).text
    }
    expect(await post('text', 'hé', 'text/plain; charset=utf-8')).toContain(
      '"payload":{"data":"hé"}',
    )
    expect(await post('bytes', Uint8Array.of(255, 0, 1), 'image/png')).toContain(
      '"payload":{"data_base64":"/wAB"}',
    )
    expect(await post('number', ' 1.50 ', 'application/json')).toContain('"payload":{"data":1.50}')
    expect(await post('none', '')).toContain('"payload":{}')
    expect(await post('object', '{"n":1e400}', 'application/vnd.x+json')).toContain(
      '"payload":{"n":1e400}',
    )
    expect(await post('large', JSON.stringify('x'.repeat(900_000)), 'application/json')).toContain(
      '"type":"€ t"',
    )
  })

  test('that would grow beyond what is stored are refused before they reach a shard', async ({
    inbox,
  }) => {
    const attributes = {
      'Content-Type': 'text/plain',
      'ce-specversion': '1.0',
      'ce-id': 'grows',
      'ce-source': '/a',
      'ce-type': 't',
    }
    const [grown, neighbour] = await Promise.all([
      inbox.post('\u0001'.repeat(1_048_576), attributes),
      inbox.post({ payload: {} }),
    ])
    expect([grown.status, grown.body.code, neighbour.status]).toEqual([
      413,
      'CONTENT_TOO_LARGE',
      202,
    ])
  })

  test('that break the rules are refused, naming the attribute', async ({ inbox }) => {
    const good = { specversion: '1.0', id: 'r', source: '/r', type: 't' }
    const cases: [Record<string, unknown>, string][] = [
      [{ ...good, id: undefined }, '#/id'],
      [{ ...good, id: '' }, '#/id'],
      [{ ...good, source: 1 }, '#/source'],
      [{ ...good, type: undefined }, '#/type'],
      [{ ...good, specversion: '0.3' }, '#/specversion'],
      [{ ...good, time: 'yesterday' }, '#/time'],
      [{ ...good, subject: '' }, '#/subject'],
      [{ ...good, dataschema: 'not a uri' }, '#/dataschema'],
      [{ ...good, camelCase: 'x' }, '#/camelCase'],
      [{ ...good, extension: {} }, '#/extension'],
      [{ ...good, extension: 1.5 }, '#/extension'],
      [{ ...good, extension: 2 ** 31 }, '#/extension'],
      [{ ...good, data: 1, data_base64: 'AA==' }, '#/data_base64'],
      [{ ...good, data_base64: 'not base64!' }, '#/data_base64'],
    ]
    for (const [event, pointer] of cases) {
      const { status, body } = await inbox.post(event, {
        'Content-Type': 'application/cloudevents+json',
      })
      expect([pointer, status, body.errors.map((error) => error.pointer)]).toEqual([
        pointer,
        400,
        [pointer],
      ])
    }
    const attributes = { 'ce-specversion': '1.0', 'ce-id': 'r', 'ce-source': '/r' }
    const { status, body } = await inbox.post('{}', attributes)
    expect([status, body.errors[0]?.pointer]).toEqual([400, '#/type'])
  })
})

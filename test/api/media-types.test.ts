import { describe, expect } from 'vitest'
import { type Inbox, test as base } from '../support/world'

const SECRET = Buffer.from('a secret of the tests, 32 bytes.').toString('base64')
const test = base.override('vars', { WEBHOOK_SECRET: SECRET })

const type = (mediaType: string) => ({ 'Content-Type': mediaType })
const cloudEvent = (id: string) => ({ specversion: '1.0', id, source: '/m', type: 't' })

describe('a plain event', () => {
  test('is taken as any JSON media type, and so are commands', async ({ inbox }) => {
    for (const each of ['application/vnd.shop.event+json', 'application/LD+JSON; charset=utf-8']) {
      expect((await inbox.post({ payload: {} }, type(each))).status).toBe(202)
      expect((await inbox.post([{ payload: {} }], type(each))).status).toBe(202)
    }
    const ack = { event_ids: ['unknown'] }
    const patch = type('application/merge-patch+json')
    expect((await inbox.call('POST', '/inbox/ack', ack, patch)).status).toBe(207)
  })

  test('with an event_id of null gets one made', async ({ inbox }) => {
    const { status, body } = await inbox.post('{"event_id":null,"payload":{}}')
    expect([status, body.data.event_id.length]).toEqual([202, 36])
    const key = { 'Idempotency-Key': 'null-id' }
    expect((await inbox.post('{"event_id":null,"payload":{}}', key)).status).toBe(202)
  })
})

describe('a refusal says what to do', () => {
  const plain = '{"payload":{}}'
  const cases: [body: string, mediaType: string, status: number, advice: RegExp][] = [
    [JSON.stringify(cloudEvent('1')), 'application/json', 400, /application\/cloudevents\+json/],
    [JSON.stringify([cloudEvent('1')]), 'application/json', 400, /cloudevents-batch\+json/],
    [JSON.stringify(cloudEvent('1')), 'application/x-ndjson', 400, /cloudevents-batch\+json/],
    [plain, 'application/cloudevents+json', 400, /plain event.*"Content-Type: application\/json"/],
    [`[${plain}]`, 'application/cloudevents-batch+json', 400, /Content-Type: application\/json"/],
    [
      JSON.stringify([cloudEvent('1')]),
      'application/cloudevents+json',
      415,
      /"Content-Type: application\/cloudevents-batch\+json"/,
    ],
    [
      JSON.stringify(cloudEvent('1')),
      'application/cloudevents-batch+json',
      415,
      /"Content-Type: application\/cloudevents\+json"/,
    ],
    [`${plain}\n${plain}\n`, 'application/json', 415, /"Content-Type: application\/x-ndjson"/],
    [`\n${plain}\r\n{broken`, 'application/json', 415, /"Content-Type: application\/x-ndjson"/],
    [`${plain}\n`.repeat(80_000), 'application/json', 415, /"Content-Type: application\/x-ndjson"/],
    [`[${plain}]`, 'application/x-ndjson', 415, /"Content-Type: application\/json"/],
    [
      JSON.stringify({ payload: { n: 1 } }, null, 2),
      'application/x-ndjson',
      415,
      /"Content-Type: application\/json"/,
    ],
    ['{"paylaod":{}}', 'application/json', 400, /paylaod is not.*did you mean payload\?/],
    ['{"payload":{},"meta_data":{}}', 'application/json', 400, /did you mean metadata\?/],
    ['{"payload":{},"eventid":"a"}', 'application/json', 400, /did you mean event_id\?/],
    ['{"payload":{},"customer":1}', 'application/json', 400, /your own data into payload/],
    [
      plain,
      'application/x-www-form-urlencoded',
      415,
      /"curl -d".*Add "Content-Type: application\/json"/,
    ],
    [plain, 'text/plain', 415, /application\/json, application\/x-ndjson/],
  ]
  for (const [body, mediaType, status, advice] of cases) {
    test(`about ${body.slice(0, 40).replaceAll('\n', '↵')} as ${mediaType}`, async ({ inbox }) => {
      const { total } = await inbox.metrics()
      const answer = await inbox.post(body, type(mediaType))
      expect(answer.status).toBe(status)
      expect(answer.body.detail).toMatch(advice)
      expect((await inbox.metrics()).total).toBe(total)
    })
  }

  test('about a body without a Content-Type', async ({ inbox }) => {
    const { text } = await inbox.post(Buffer.from(plain))
    expect(text).toMatch(/no Content-Type. Add \\"Content-Type: application\/json/)
  })

  test('about a misspelt member of a command', async ({ inbox }) => {
    const { body } = await inbox.call('POST', '/dlq/retry', { reasn: 'x' })
    expect(body.detail).toContain('did you mean reason?')
  })

  test('and a broken event is not taken for something else', async ({ inbox }) => {
    for (const body of ['{\n"payload":{}', '{"payload":\n{}}}', '1\n2', '{"payload":{}} {}\n'])
      expect([body, (await inbox.post(body)).body.code]).toEqual([body, 'INVALID_JSON'])
    // Of lines each stands for itself, whatever the first one is.
    const lines = await inbox.post('[1]\n{"payload":{}}', type('application/x-ndjson'))
    expect(lines.status).toBe(207)
  })
})

describe('the data of a binary CloudEvent', () => {
  let next = 0
  /** @returns the payload it is stored with, or the problem's code */
  async function data(inbox: Inbox, body: Uint8Array, contentType?: string) {
    const { status, body: answer } = await inbox.post(body, {
      'ce-specversion': '1.0',
      'ce-id': `data-${next++}`,
      'ce-source': '/data',
      'ce-type': 't',
      ...(contentType && { 'Content-Type': contentType }),
    })
    if (status !== 202) return answer.code
    return /"payload":(.*),"metadata"/.exec(
      (await inbox.get(`/inbox/${answer.data.event_id}`)).text,
    )?.[1]
  }

  test('is text or bytes by its media type, whatever the bytes look like', async ({ inbox }) => {
    const text = Buffer.from('abc')
    for (const each of [
      'text/plain',
      'text/csv; header=present',
      'application/xml',
      'application/atom+xml',
      'Application/YAML',
      'application/x-www-form-urlencoded',
    ])
      expect([each, await data(inbox, text, each)]).toEqual([each, '{"data":"abc"}'])
    for (const each of ['application/octet-stream', 'image/png', 'application/pdf', 'x/text'])
      expect([each, await data(inbox, text, each)]).toEqual([each, '{"data_base64":"YWJj"}'])
  })

  test('that is text is read in its charset', async ({ inbox }) => {
    const latin = Uint8Array.of(0x68, 0xe9)
    expect(await data(inbox, latin, 'text/plain; charset=ISO-8859-1')).toBe('{"data":"hé"}')
    expect(await data(inbox, latin, 'text/plain;format=flowed;charset="windows-1252"')).toBe(
      '{"data":"hé"}',
    )
    expect(await data(inbox, Buffer.from('hé', 'utf16le'), 'text/plain; charset=utf-16le')).toBe(
      '{"data":"hé"}',
    )
    expect(await data(inbox, latin, 'text/plain')).toBe('INVALID_UTF8')
    expect(await data(inbox, latin, 'text/plain; charset=utf-8')).toBe('INVALID_UTF8')
    expect(await data(inbox, latin, 'text/plain; charset=klingon')).toBe('UNSUPPORTED_MEDIA_TYPE')
  })

  test('that is JSON is UTF-8, stored as it was sent, but for a byte order mark', async ({
    inbox,
  }) => {
    const json = Buffer.from('\ufeff{"n":1.0,"s":"é"}')
    for (const each of [undefined, 'application/json', 'application/json; charset=latin1'])
      expect([each, await data(inbox, json, each)]).toEqual([each, '{"n":1.0,"s":"é"}'])
    expect(await data(inbox, Uint8Array.of(0x22, 0xe9, 0x22), 'application/x+json')).toBe(
      'INVALID_UTF8',
    )
  })
})

test('the time of a CloudEvent is one there is', async ({ inbox }) => {
  const structured = type('application/cloudevents+json')
  let n = 0
  const status = async (time: string) =>
    (await inbox.post({ ...cloudEvent(`time-${n++}`), time }, structured)).status
  for (const time of ['2026-11-21T08:30:00Z', '2016-12-31T23:59:60Z', '2028-02-29t00:00:00+23:59'])
    expect([time, await status(time)]).toEqual([time, 202])
  for (const time of ['2026-02-30T00:00:00Z', '2026-11-21T24:00:00Z', '2026-11-21T12:00:60Z'])
    expect([time, await status(time)]).toEqual([time, 400])
})

test('a signed webhook with a byte order mark is verified as it came, and stored without it', async ({
  inbox,
}) => {
  const { Webhook } = await import('standardwebhooks')
  const body = '\ufeff{"a":1.0}'
  const at = new Date()
  const { status, body: answer } = await inbox.post(body, {
    'webhook-id': 'marked',
    'webhook-timestamp': String(Math.floor(at.getTime() / 1000)),
    'webhook-signature': new Webhook(SECRET).sign('marked', at, body),
  })
  expect(status).toBe(202)
  expect((await inbox.get(`/inbox/${answer.data.event_id}`)).text).toContain('"payload":{"a":1.0}')
})

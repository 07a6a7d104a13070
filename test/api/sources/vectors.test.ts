import { expect, test } from 'vitest'
import { readSources } from '../../../shared/sources'
import { verify } from '../../../worker/ingest/sources/verify'

/** Examples that senders publish with their signatures. Each is taken, and with one byte changed refused. */

interface Example {
  type: string
  secret: string
  url?: string
  headers: Record<string, string>
  body: string
  /** Seconds since 1970. */
  at?: number
}

const SENDGRID_EVENT = {
  email: 'hello@world.com',
  event: 'dropped',
  reason: 'Bounced Address',
  sg_event_id: 'ZHJvcC0xMDk5NDkxOS1MUnpYbF9OSFN0T0doUTRrb2ZTbV9BLTA',
  sg_message_id: 'LRzXl_NHStOGhQ4kofSm_A.filterdrecv-p3mdw1-756b745b58-kmzbl-18-5F5FC76C-9.0',
  'smtp-id': '<LRzXl_NHStOGhQ4kofSm_A@ismtpd0039p1iad1.sendgrid.net>',
  timestamp: 1600112492,
}

const EXAMPLES: Record<string, Example> = {
  // docs.github.com, "Validating webhook deliveries"
  GitHub: {
    type: 'github',
    secret: "It's a Secret to Everybody",
    headers: {
      'X-Hub-Signature-256':
        'sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17',
    },
    body: 'Hello, World!',
  },
  // developer.atlassian.com, "Secure admin webhooks"
  Atlassian: {
    type: 'jira',
    secret: "It's a Secret to Everybody",
    headers: {
      'X-Hub-Signature': 'sha256=a4771c39fbe90f317c7824e83ddef3caae9cb3d976c214ace1f2937e133263c9',
    },
    body: 'Hello World!',
  },
  // docs.slack.dev, "Verifying requests from Slack"
  Slack: {
    type: 'slack',
    secret: '8f742231b10e8888abcd99yyyzzz85a5',
    headers: {
      'X-Slack-Request-Timestamp': '1531420618',
      'X-Slack-Signature': 'v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503',
      'Content-Type': 'application/x-www-form-urlencoded',
    },
    body:
      'token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V' +
      '&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=' +
      '&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN' +
      '&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c',
    at: 1531420618,
  },
  // twilio.com/docs, "Webhooks security"
  Twilio: {
    type: 'twilio',
    secret: '12345',
    url: 'https://mycompany.com/myapp.php?foo=1&bar=2',
    headers: {
      'X-Twilio-Signature': 'RSOYDt4T1cUTdK1PDd93/VVr8B8=',
      'Content-Type': 'application/x-www-form-urlencoded',
    },
    body: 'Digits=1234&To=%2B18005551212&From=%2B14158675309&Caller=%2B14158675309&CallSid=CA1234567890ABCDE',
  },
  // The specification's reference libraries, and docs.svix.com
  'Standard Webhooks': {
    type: 'standard-webhooks',
    secret: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
    headers: {
      'webhook-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek',
      'webhook-timestamp': '1614265330',
      'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
    },
    body: '{"test": 2432232314}',
    at: 1614265330,
  },
  // @sendgrid/eventwebhook 8.0.0, its tests
  SendGrid: {
    type: 'sendgrid',
    secret:
      'MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE83T4O/n84iotIvIW4mdBgQ/7dAfSmpqIM8kF9mN1flpVKS3GRqe62gw+2fNNRaINXvVpiglSI8eNEc6wEA3F+g==',
    headers: {
      'X-Twilio-Email-Event-Webhook-Signature':
        'MEUCIGHQVtGj+Y3LkG9fLcxf3qfI10QysgDWmMOVmxG0u6ZUAiEAyBiXDWzM+uOe5W0JuG+luQAbPIqHh89M15TluLtEZtM=',
      'X-Twilio-Email-Event-Webhook-Timestamp': '1600112502',
    },
    body: `${JSON.stringify([SENDGRID_EVENT])}\r\n`,
  },
}

test.each(Object.entries(EXAMPLES))('takes the example of %s', async (_, example) => {
  const { type, secret, url = 'https://inbox.example/in/it', headers, body, at = 0 } = example
  const { named } = readSources({
    SOURCES: JSON.stringify([{ name: 'it', type }]),
    SOURCE_SECRET_IT: secret,
  })
  const source = named.get('it')
  if (!source) throw new Error(`${type} is wrong`)
  const verified = (text: string) =>
    verify(
      source,
      {
        method: 'POST',
        url,
        headers: new Headers(headers),
        body: new TextEncoder().encode(text),
      },
      at * 1_000,
    )
  expect(await verified(body)).toMatchObject({ accepted: true })
  expect(await verified(body.replace('1', '2').replace('World', 'world'))).toEqual({
    accepted: false,
    reason: 'wrong_signature',
  })
})

import { once } from 'node:events'
import { createServer } from 'node:http'
import { text } from 'node:stream/consumers'
import { onTestFinished } from 'vitest'

export interface Asked {
  method: string
  path: string
  body: Record<string, unknown>
  at: number
}

/** What is answered; a `body` that is no string goes as JSON. Without an answer, the request hangs. */
export type Said = { status?: number; body?: unknown; headers?: Record<string, string> } | undefined

/** A server that answers as a test says, for what no real inbox says, and for a network that hangs. */
export async function fakeInbox(answer: (asked: Asked) => Said) {
  const requests: Asked[] = []
  const server = createServer((request, response) => {
    void text(request).then((sent) => {
      const { method = '', url: path = '' } = request
      const asked = { method, path, body: sent ? JSON.parse(sent) : {}, at: Date.now() }
      requests.push(asked)
      const said = answer(asked)
      if (!said) return
      const { status = 200, body = { data: {} }, headers = {} } = said
      response.writeHead(status, { 'Content-Type': 'application/json', ...headers })
      response.end(typeof body === 'string' ? body : JSON.stringify(body))
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const address = server.address()
  const port = typeof address === 'object' ? address?.port : 0
  const asked = (path: RegExp) => requests.filter((request) => path.test(request.path))
  return { url: new URL(`http://127.0.0.1:${port}`), requests, asked }
}

/** Makes the answers of an inbox that leases events with these ids, a claim each, and takes what is said of them. */
export function leasing(ids: string[], other: (asked: Asked) => Said | 'usual' = () => 'usual') {
  const left = [...ids]
  return (asked: Asked): Said => {
    const said = other(asked)
    if (said !== 'usual') return said
    if (asked.path.endsWith('/extend')) return { body: { data: { event_ids: ids } } }
    if (asked.path.endsWith('/settle')) return { body: { data: [] } }
    const event_id = left.shift()
    if (event_id === undefined) return undefined
    const event = { event_id, attempt: 1, status: 'pending', payload: {}, metadata: null }
    return { body: { data: [event], lease: { token: `0.${event_id}`, expires_at: '' } } }
  }
}

export const refused = (status: number, code: string): Said => ({
  status,
  body: { code, detail: 'It is refused.' },
})

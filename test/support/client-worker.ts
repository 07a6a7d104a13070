import { Inbox } from '../../client/index'

/** A Worker that sends an event to an inbox, and works on it. */
export default {
  async fetch(request) {
    const { url } = await request.json<{ url: string }>()
    const inbox = new Inbox({ url, token: 'dev-token' })
    const sent = await inbox.send({ payload: { from: 'a Worker' } })
    const stop = new AbortController()
    const seen: string[] = []
    await inbox.consume({ signal: stop.signal, concurrency: 4 }, (event) => {
      seen.push(event.event_id)
      stop.abort()
    })
    const { status } = await inbox.get(sent.event_id ?? '')
    return Response.json({ sent, seen, status })
  },
} satisfies ExportedHandler

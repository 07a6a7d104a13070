import { Router } from 'itty-router'
import { HttpError } from './shared/problem'
import { deleteEvent, postAcks, postMove, postNack } from './worker/actions'
import { runMaintenance } from './worker/cron'
import { getDeadLetters, postRedrive, takeDeadLetters } from './worker/dead-letters'
import { postEvents } from './worker/events'
import { getHealth } from './worker/health'
import { releaseBytes } from './worker/http/body-budget'
import { answerError } from './worker/http/errors'
import {
  allow,
  allowOrigin,
  correlate,
  finish,
  identify,
  type InboxRequest,
  limitSize,
  preflight,
  reportMistakes,
} from './worker/http/middleware'
import { getEvent, getInbox } from './worker/inbox'
import { postClaim, postExtend, postSettle } from './worker/leases'
import { getMetrics } from './worker/metrics'
import { getSources, getSubscription, postDelivery } from './worker/sources'
import { getSubscriptionNamed, getSubscriptions } from './worker/subscriptions'
import { getWhoami } from './worker/whoami'

const router = Router<InboxRequest, [env: Env, ctx: ExecutionContext], Response>({
  before: [correlate, (_, env) => reportMistakes(env), preflight, limitSize],
  catch: answerError,
  finally: [allowOrigin, finish],
})
  .post('/events', allow('write'), postEvents)
  .get('/inbox', allow('read'), getInbox)
  .post('/inbox/ack', allow('manage'), postAcks)
  .post('/inbox/claim', allow('consume'), postClaim)
  .get('/inbox/:id', allow('read'), getEvent)
  .delete('/inbox/:id', allow('manage'), deleteEvent)
  .post('/inbox/:id/ack', allow('manage'), postMove('ack'))
  .post('/inbox/:id/nack', allow('manage'), postNack)
  .post('/inbox/:id/retry', allow('manage'), postMove('retry'))
  .post('/in/:source', postDelivery)
  .post('/in/:source/:token', postDelivery)
  .get('/in/:source', getSubscription)
  .get('/sources', allow('read'), getSources)
  .post('/leases/:token/extend', allow('consume'), postExtend)
  .post('/leases/:token/settle', allow('consume'), postSettle)
  .get('/subscriptions', allow('read'), getSubscriptions)
  .get('/subscriptions/:name', allow('read'), getSubscriptionNamed)
  .get('/dlq', allow('read'), getDeadLetters)
  .post('/dlq/retry', allow('manage'), postRedrive)
  .get('/metrics', allow('read'), getMetrics)
  .get('/whoami', identify, getWhoami)
  .get('/health', getHealth)

// HEAD is answered as GET is; the runtime leaves the body out.
for (const [method, ...route] of router.routes)
  if (method === 'GET') router.routes.push(['HEAD', ...route])
router.all('*', noSuchRoute)

export { EventShard } from './objects/event-shard'
export default {
  fetch: answer,
  queue: takeDeadLetters,
  scheduled: runMaintenance,
} satisfies ExportedHandler<Env, string>

async function answer(request: Request, env: Env, ctx: ExecutionContext): Promise<Response> {
  try {
    return await router.fetch(request, env, ctx)
  } finally {
    releaseBytes(request)
  }
}

/** Throws a 405 with `Allow` when another method has this path, else a 404. No token is needed to learn that. */
function noSuchRoute(request: InboxRequest): never {
  const { pathname } = new URL(request.url)
  const allowed = router.routes
    .filter(([method, path]) => method !== 'ALL' && path.test(pathname))
    .map(([method]) => method)
  if (allowed.length === 0)
    throw new HttpError(
      404,
      'NOT_FOUND',
      'There is nothing at this path; /openapi.json has all of them.',
    )
  throw new HttpError(405, 'METHOD_NOT_ALLOWED', `Use ${allowed.join(' or ')} here.`, {
    headers: { Allow: allowed.join(', ') },
  })
}

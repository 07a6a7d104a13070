/**
 * Builds an event inbox as it is done on a server: Fastify and pg-boss on PostgreSQL.
 * It is a process of its own. It answers a post once its job is committed, and a batch once all of its jobs are. There
 * is no authentication, and as little code as it takes. Its argument is the folder of PostgreSQL's socket; it prints
 * its address. A post to /consume/:consumers has it work off what it holds.
 */
import fastify from 'fastify'
import { PgBoss } from 'pg-boss'

const boss = new PgBoss({ host: process.argv[2] ?? '', user: 'bench', database: 'postgres' })
boss.on('error', (error) => console.error(error))
await boss.start()
await boss.createQueue('events')

const app = fastify()
app.post<{ Body: object | object[] }>('/events', async ({ body }, reply) => {
  const event_id = Array.isArray(body)
    ? await boss.insert(
        'events',
        body.map((data) => ({ data })),
      )
    : await boss.send('events', body)
  return reply.code(202).send({ data: { event_id, status: 'accepted' } })
})
app.get('/count', async () => {
  const { rows } = await boss.getDb().executeSql('SELECT count(*)::int AS jobs FROM pgboss.job')
  return rows[0]
})
/** The same that the inbox offers, over HTTP. */
app.post('/inbox/claim', async () => {
  const jobs = await boss.fetch<object>('events', { batchSize: 100 })
  const token = jobs.length > 0 ? 'all' : null
  return {
    data: jobs.map(({ id, data }) => ({ event_id: id, ...data })),
    lease: token && { token },
  }
})
app.post<{ Body: { ack: string[] } }>('/leases/all/settle', async ({ body }) => {
  await boss.complete('events', body.ack)
  return { data: body.ack.map((event_id) => ({ event_id, status: 'acked' })) }
})
/** Works everything off, in batches of 100, by so many consumers in this process. */
app.post<{ Params: { consumers: string } }>('/consume/:consumers', async ({ params }) => {
  let jobs = 0
  const consume = async () => {
    for (;;) {
      const batch = await boss.fetch('events', { batchSize: 100 })
      if (batch.length === 0) return
      await boss.complete(
        'events',
        batch.map(({ id }) => id),
      )
      jobs += batch.length
    }
  }
  const startedAt = performance.now()
  await Promise.all(Array.from({ length: Number(params.consumers) }, consume))
  return { jobs, ms: performance.now() - startedAt }
})
console.log(await app.listen({ host: '127.0.0.1', port: 0 }))

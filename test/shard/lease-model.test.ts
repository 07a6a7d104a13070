import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Command, IDS, NAMES, Run, steeredInbox } from '../support/lease-commands'
import type { OperatorVerb, Said } from '../support/lease-model'

const id = fc.constantFrom(...IDS)
const name = fc.constantFrom(...NAMES, 'inbox')
const which = fc.nat({ max: 3 })
const delay = fc.constantFrom(0, 0, 0, 2, undefined)
const verb = fc.constantFrom<Said['verb']>('ack', 'nack', 'nack', 'release')
const kind = <Kind extends Command['kind']>(value: Kind) => fc.constant(value)
const one = (weight: number, arbitrary: fc.Arbitrary<Command>) => ({ weight, arbitrary })
const commands = fc.array(
  fc.oneof(
    one(
      10,
      fc.record({
        kind: kind('post'),
        ids: fc.uniqueArray(id, { minLength: 1, maxLength: IDS.length }),
        color: fc.constantFrom('none', 'none', 'none', 'both', 'both', 'red', 'blue'),
        later: fc.constantFrom(0, 0, 0, -1, 1, 3),
      }),
    ),
    one(
      12,
      fc.record({
        kind: kind('claim'),
        name,
        limit: fc.constantFrom(1, 1, 1, 2, 20),
        lease: fc.integer({ min: 1, max: 3 }),
      }),
    ),
    one(
      6,
      fc.record({
        kind: kind('settle'),
        which,
        says: fc.uniqueArray(fc.record({ id, verb, delay }), {
          selector: (each) => each.id,
          minLength: 1,
          maxLength: IDS.length,
        }),
      }) as fc.Arbitrary<Command>,
    ),
    one(5, fc.record({ kind: kind('settle all'), which, verb, delay })),
    one(2, fc.record({ kind: kind('extend'), which, lease: fc.integer({ min: 1, max: 3 }) })),
    one(
      10,
      fc.record({
        kind: kind('operate'),
        verb: fc.constantFrom<OperatorVerb>('ack', 'nack', 'nack', 'nack', 'retry'),
        id,
        name: fc.constantFrom(undefined, undefined, undefined, ...NAMES),
        delay,
      }),
    ),
    one(3, fc.record({ kind: kind('delete'), id })),
    one(5, fc.record({ kind: kind('step'), seconds: fc.integer({ min: 1, max: 4 }) })),
    one(1, fc.record({ kind: kind('wear out'), name })),
    one(2, fc.record({ kind: kind('store') })),
    one(1, fc.record({ kind: kind('restart') })),
  ),
  { minLength: 10, maxLength: 40, size: 'max' },
)

test('the real worker agrees with a plain model of who may have which event', async () => {
  const inbox = await steeredInbox()
  await inbox.postId('first')
  await inbox.ack('first')
  let runs = 0
  // Ahead of the machine's clock, so that alarms do not come in between.
  let now = Date.now() + 600_000
  await fc.assert(
    fc.asyncProperty(commands, async (list) => {
      const counted = await inbox.client.subscriptions()
      const before = new Map(counted.map((each) => [each.name, each]))
      const run = await new Run(inbox, `run${++runs}`, now + 5_000, before).start()
      try {
        for (const command of list) {
          await run.do(command)
          await run.expectCounted()
        }
        await run.expectStatuses()
        await run.finish()
      } finally {
        now = run.now
        // What a failed run has left would fail all others.
        for (const left of run.model.events.keys()) await inbox.call('DELETE', `/inbox/${left}`)
      }
    }),
    { numRuns: Number(process.env.LEASE_RUNS ?? 40) },
  )
  expect(await inbox.verify()).toMatchObject({ differences: [] })
}, 180_000)

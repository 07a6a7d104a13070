import { type EventState } from '../../shared/event'
import { type D1Change } from '../../d1/change'
import { readFileSync } from 'node:fs'
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import fc from 'fast-check'
import { expect, test as plain } from 'vitest'
import { writeStatements } from '../../d1/writer'
import { encodeAccepted, fold, type JournalRow } from '../../objects/journal'
import { test as base } from '../support/world'

const test = base.override('vars', { SHARD_COUNT: '1' })

const MAX_RETRIES = 3
const IDS = ['a', 'b', 'c']

type Verb = 'accept' | 'ack' | 'nack' | 'retry' | 'delete'
/** Of a write: `is lost` and `crash` let it land; after a crash nobody has counted the attempt. */
type Answer = 'arrives' | 'is lost' | 'fails' | 'crash'
type Command =
  | { kind: Verb; id: string }
  | { kind: 'drain'; answer: Answer }
  /** An earlier write arrives once more, or only now. */
  | { kind: 'late'; which: number }

/** What an inbox is, in its simplest form: the reference that everything else is held against. */
class Model {
  events = new Map<string, { n: number; status: string; nacks: number }>()
  #count = 0

  /** @returns whether the verb is allowed */
  apply(verb: Verb, id: string): boolean {
    const event = this.events.get(id)
    if (verb === 'accept') {
      if (!event) this.events.set(id, { n: ++this.#count, status: 'pending', nacks: 0 })
      return !event
    }
    if (verb === 'delete') return this.events.delete(id)
    if (!event || event.status !== (verb === 'retry' ? 'failed' : 'pending')) return false
    event.nacks = verb === 'nack' ? event.nacks + 1 : 0
    if (verb === 'ack') event.status = 'delivered'
    else event.status = event.nacks >= MAX_RETRIES ? 'failed' : 'pending'
    return true
  }

  /** Event by id: which of the accepted ones it is, and its status. */
  view() {
    return Object.fromEntries([...this.events].map(([id, { n, status }]) => [id, { n, status }]))
  }
}

const verb = fc.record({
  kind: fc.constantFrom<Verb>('accept', 'accept', 'ack', 'nack', 'nack', 'retry', 'delete'),
  id: fc.constantFrom(...IDS),
})
const drain = fc.record({
  kind: fc.constant('drain' as const),
  answer: fc.constantFrom<Answer>('arrives', 'is lost', 'fails', 'crash'),
})
const late = fc.record({ kind: fc.constant('late' as const), which: fc.nat() })
const commands = fc.array<Command>(
  fc.oneof(
    { weight: 6, arbitrary: verb },
    { weight: 2, arbitrary: drain },
    { weight: 1, arbitrary: late },
  ),
  { minLength: 5, maxLength: 60 },
)

/** The event's row after a verb; undefined when its status does not allow it. */
function moveOf(kind: Verb, state: EventState, at: number): EventState | undefined {
  if (state.status !== (kind === 'retry' ? 'failed' : 'pending')) return undefined
  const moved = { ...state, updated_at: at }
  if (kind === 'ack') return { ...moved, status: 'delivered' }
  const nacks = kind === 'retry' ? 0 : state.nacks + 1
  const status = nacks >= MAX_RETRIES ? 'failed' : 'pending'
  return { ...moved, nacks, status, retry_count: state.retry_count + 1 }
}

/** D1's tables in SQLite, and what runs the worker's own statements on them. */
function database() {
  const sqlite = new DatabaseSync(':memory:')
  sqlite.exec(readFileSync('schema.sql', 'utf8'))
  const prepared = new Map<string, StatementSync>()
  const statement = (sql: string) => {
    const found = prepared.get(sql) ?? sqlite.prepare(sql)
    prepared.set(sql, found)
    return found
  }
  return {
    clear: () => sqlite.exec('DELETE FROM events; DELETE FROM fences; DELETE FROM letters'),
    /** As `db.batch` does: all of it, or nothing. */
    land({ tick, changes }: Write): void {
      sqlite.exec('BEGIN')
      try {
        for (const { sql, values } of writeStatements({ shard: 's', tick }, changes))
          statement(sql).all(...values)
      } catch (error) {
        sqlite.exec('ROLLBACK')
        throw error
      }
      sqlite.exec('COMMIT')
    },
    rows: () => statement('SELECT event_id, payload, status, retry_count FROM events').all(),
  }
}

interface Write {
  tick: number
  changes: D1Change[]
}

/** The shard's side of the pure functions: a map, and a list for the journal; D1's side is its real statements. */
function simulation(d1: ReturnType<typeof database>) {
  let clock = 0
  /** What a crash leaves of the clock: what the last commit kept. */
  let keptClock = 0
  let writes = 0
  let accepted = 0
  const states = new Map<string, EventState>()
  let journal: JournalRow[] = []
  const sent: Write[] = []

  const note = (op: 'change' | 'redrive' | 'delete', event_id: string) =>
    journal.push({
      seq: ++clock,
      accepted: 0,
      attempts: 0,
      entries: [{ op, event_id }],
      bodies: '',
    })

  function apply(kind: Verb, id: string): boolean {
    const changed = perform(kind, id)
    keptClock = clock
    return changed
  }

  function perform(kind: Verb, id: string): boolean {
    const state = states.get(id)
    if (kind === 'accept') {
      if (state) return false
      const seq = ++clock
      states.set(id, {
        event_id: id,
        status: 'pending',
        retry_count: 0,
        nacks: 0,
        created_at: seq,
        updated_at: seq,
        correlation_id: 'c',
      })
      const body = encodeAccepted([
        { event_id: id, payload: String(++accepted), metadata: null, correlation_id: 'c' },
      ])
      journal.push({ seq, accepted: 1, attempts: 0, ...body })
      return true
    }
    if (kind === 'delete') {
      if (states.delete(id)) return note('delete', id) > 0
      return false
    }
    const moved = state && moveOf(kind, state, ++clock)
    if (!moved) return false
    states.set(id, moved)
    return note(kind === 'retry' ? 'redrive' : 'change', id) > 0
  }

  function drainStep(answer: Answer, steps: number): void {
    const rows = journal.slice(0, steps)
    const end = rows.at(-1)?.seq ?? 0
    const changes = fold(rows, states, ++clock).map((change) => structuredClone(change))
    const write = { tick: ++writes, changes }
    sent.push(write)
    if (answer !== 'fails') d1.land(write)
    if (answer === 'crash') clock = keptClock
    else keptClock = clock
    if (answer === 'arrives') {
      journal = journal.filter((row) => row.seq > end)
      for (const row of rows) {
        for (const { event_id } of row.entries) {
          const state = states.get(event_id)
          if (state?.created_at === row.seq) state.retry_count += row.attempts
        }
      }
    } else if (answer !== 'crash') for (const row of rows) row.attempts++
  }

  return {
    apply,
    drainStep,
    /** An earlier write arrives now. */
    replay: (which: number) => {
      const write = sent[which % sent.length]
      if (write) d1.land(write)
    },
    replayAll: () => sent.forEach((write) => d1.land(write)),
    drainAll: () => {
      while (journal.length > 0) drainStep('arrives', 3)
    },
    shardRetries: () =>
      Object.fromEntries([...states].map(([id, { retry_count }]) => [id, retry_count])),
    d1Retries: () =>
      Object.fromEntries(d1.rows().map(({ event_id, retry_count }) => [event_id, retry_count])),
    shardView: () => Object.fromEntries([...states].map(([id, { status }]) => [id, status])),
    d1View: () =>
      Object.fromEntries(
        d1
          .rows()
          .map(({ event_id, payload, status }) => [event_id, { n: Number(payload), status }]),
      ),
  }
}

plain(
  'the journal brings D1 to what a plain map of events says, through lost answers and late writes',
  () => {
    const d1 = database()
    fc.assert(
      fc.property(commands, (list) => {
        d1.clear()
        const model = new Model()
        const real = simulation(d1)
        for (const command of list) {
          if (command.kind === 'drain') real.drainStep(command.answer, 3)
          else if (command.kind === 'late') real.replay(command.which)
          else
            expect(real.apply(command.kind, command.id)).toBe(model.apply(command.kind, command.id))
          expect(real.shardView()).toEqual(
            Object.fromEntries([...model.events].map(([id, { status }]) => [id, status])),
          )
        }
        real.drainAll()
        expect(real.d1View()).toEqual(model.view())
        expect(real.d1Retries()).toEqual(real.shardRetries())
        // Whatever was sent before and lands now comes too late.
        real.replayAll()
        real.drainAll()
        expect(real.d1View()).toEqual(model.view())
      }),
      // Each is some hundred real statements; what was broken on trial was found within 200.
      { numRuns: 2_000 },
    )
  },
)

test('the real worker agrees with the same model, with D1 going away and coming back', async ({
  inbox,
}) => {
  const ALLOWED: Record<Verb, number> = {
    accept: 202,
    ack: 200,
    nack: 200,
    retry: 200,
    delete: 200,
  }
  let runs = 0
  await fc.assert(
    fc.asyncProperty(commands, async (list) => {
      const run = `run${++runs}`
      const model = new Model()
      const name = (id: string) => `${run}-${id}`
      const before = await inbox.metrics()
      let n = 0
      let away = false
      for (const command of list) {
        if (command.kind === 'late') continue
        if (command.kind === 'drain') {
          // A real outage: the table is not there, and the shard's alarm finds that out by itself.
          const goAway = command.answer === 'fails'
          if (goAway !== away)
            await inbox.db.exec(
              goAway
                ? 'ALTER TABLE events RENAME TO events_away'
                : 'ALTER TABLE events_away RENAME TO events',
            )
          away = goAway
          continue
        }
        const allowed = model.apply(command.kind, command.id)
        if (command.kind === 'accept' && allowed) n++
        const path =
          { accept: '/events', delete: `/inbox/${name(command.id)}` }[command.kind as string] ??
          `/inbox/${name(command.id)}/${command.kind}`
        const method = command.kind === 'delete' ? 'DELETE' : 'POST'
        const body =
          command.kind === 'accept' ? { event_id: name(command.id), payload: { n } } : undefined
        const { status } = await inbox.call(method, path, body)
        if (allowed) expect(status).toBe(ALLOWED[command.kind])
        else expect([404, 409]).toContain(status)
      }
      if (away) await inbox.db.exec('ALTER TABLE events_away RENAME TO events')
      await inbox.drained()
      await inbox.expectVerified()
      const rows = await inbox.rows(`event_id LIKE '${run}-%'`)
      const view = Object.fromEntries(
        rows.map(({ event_id, payload, status }) => [
          event_id.slice(-1),
          { ...JSON.parse(payload), status },
        ]),
      )
      expect(view).toEqual(model.view())
      expect((await inbox.metrics()).total - before.total).toBe(model.events.size)
    }),
    { numRuns: 15 },
  )
}, 180_000)

import worker, { EventShard as Shard } from '../../worker'

/** The real worker, in which a test moves the clock and holds things back, by POST /steer. */
export interface Steering {
  /** What `Date.now()` is ahead of the machine's clock. */
  shiftMs: number
  /** Whether `Date.now()` stands still. */
  clockStands: boolean
  /** Commits of accepted events wait until this is over. */
  holdCommits: boolean
  /** Writes to D1 wait until this is over. */
  holdWrites: boolean
  /** Writes to D1 land, and fail all the same. */
  loseAnswers: boolean
}

const steering: Steering = {
  shiftMs: 0,
  clockStands: false,
  holdCommits: false,
  holdWrites: false,
  loseAnswers: false,
}
/** What waits at this moment. */
export interface Held {
  commits: number
  writes: number
}

const held: Held = { commits: 0, writes: 0 }

const machineNow = Date.now.bind(Date)
const shiftedNow = () => machineNow() + steering.shiftMs
/** 0 while the clock goes. */
let stoodAt = 0
Date.now = () => stoodAt || shiftedNow()

// A shard puts its commits off by this.
const machineWait = scheduler.wait.bind(scheduler)
scheduler.wait = async (...args) => {
  held.commits++
  while (steering.holdCommits) await machineWait(10)
  held.commits--
  return machineWait(...args)
}

export class EventShard extends Shard {
  constructor(ctx: DurableObjectState, env: Env) {
    steerWrites(env.DB)
    super(ctx, env)
  }
}

function steerWrites(db: D1Database): void {
  if (Object.hasOwn(db, 'batch')) return
  const batch = db.batch.bind(db)
  db.batch = async (statements) => {
    held.writes++
    while (steering.holdWrites) await machineWait(10)
    held.writes--
    const { loseAnswers } = steering
    const results = await batch(statements)
    if (loseAnswers) throw new Error('the answer was lost')
    return results as never
  }
}

export default {
  ...worker,
  async fetch(request, env, ctx) {
    if (new URL(request.url).pathname !== '/steer') return worker.fetch(request as never, env, ctx)
    Object.assign(steering, await request.json())
    stoodAt = steering.clockStands ? stoodAt || shiftedNow() : 0
    return Response.json(held)
  },
} satisfies ExportedHandler<Env, string>

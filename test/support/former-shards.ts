import worker, { EventShard as Shard } from '../../worker'

/** The real worker, over shards that answer as those of the version before did. */
export class EventShard extends Shard {
  override async flush() {
    const { unstored } = await super.flush()
    return { unstored } as Awaited<ReturnType<Shard['flush']>>
  }

  override async metrics() {
    const { sources: _, ...metrics } = await super.metrics()
    return metrics
  }

  override async countRefused(): Promise<void> {
    throw new TypeError('The RPC receiver does not implement the method "countRefused".')
  }
}

export default worker

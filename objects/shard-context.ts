import type { ShardStore } from './store/shard-store'

/** What the parts of a shard know of it. */
export interface ShardContext {
  env: Env
  name: string | undefined
  store: ShardStore
}

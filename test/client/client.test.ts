import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import openapiTypes, { astToString, COMMENT_HEADER } from 'openapi-typescript'
import { describe, expect } from 'vitest'
import { test } from '../support/world'
import * as uses from './uses'

describe('a client made of openapi.json', () => {
  test('has the types of the document; "npm run client" makes them anew', async () => {
    const types = await openapiTypes(readFileSync('public/openapi.json', 'utf8'))
    const made = COMMENT_HEADER + astToString(types)
    expect(readFileSync('client/openapi.ts', 'utf8') === made).toBe(true)
  })

  test('compiles as it is used, and not as it must not be', () => {
    const { stdout, status } = spawnSync('node_modules/.bin/tsc', ['-p', 'test/client'], {
      encoding: 'utf8',
    })
    expect([stdout, status]).toEqual(['', 0])
  })

  test('posts, lists, settles, redrives and counts', async ({ inbox }) => {
    const client = uses.clientOf(inbox.url, 'dev-token')
    const posted = await uses.postOne(client)
    expect(posted).toEqual({ event_id: expect.any(String), status: 'accepted' })
    expect(await uses.postTwice(client, 'twice')).toEqual(['pending', expect.any(String)])
    expect(await uses.postBatch(client)).toEqual([true, 'pending', true])
    expect(await uses.postLines(client)).toBe(202)
    expect(await uses.postCloudEvent(client)).toBe('accepted')
    expect(await uses.postOnceByKey(client)).toEqual(['true', 'trace-1'])
    expect(await uses.listOrders(client)).toEqual([[17, null, 0]])
    expect(await uses.listPreviews(client)).toEqual([{}])
    expect(await uses.nameOf(client)).toEqual(['development', expect.arrayContaining(['read'])])
    expect(await uses.settle(client, posted.event_id)).toEqual([1, 'delivered', 'STATUS_CONFLICT'])
    expect(await uses.ackMany(client, ['b-1', 'nobody'])).toEqual(['delivered', 'EVENT_NOT_FOUND'])
    expect(await uses.redrive(client)).toEqual([0, []])
    expect(await uses.count(client)).toEqual({
      total: 8,
      minutes: 61,
      shards: ['shard-0', 'shard-1'],
    })
    expect(await uses.scrape(client)).toContain('event_inbox_events{status="delivered"} 2')
    expect(await uses.remove(client, 'twice')).toEqual(['deleted', 404])
  })
})

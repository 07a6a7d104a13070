import { expect, test } from 'vitest'
import { isExplained, type Operation, type State } from './history'

const post = (start: number, end: number, n = 1): Operation => ({
  ...between('post', start, end),
  step: ({ status }) => (status === 'absent' ? { status: 'pending', n, nacks: 0 } : null),
})
const ack = (start: number, end: number): Operation => ({
  ...between('ack', start, end),
  step: (state) => (state.status === 'pending' ? { ...state, status: 'delivered' } : null),
})
const remove = (start: number, end: number): Operation => ({
  ...between('delete', start, end),
  step: (state) => (state.status === 'absent' ? null : { ...state, status: 'absent' }),
})
const read = (start: number, end: number, status: State['status'], n = 1): Operation => ({
  ...between('read', start, end),
  step: (state) =>
    state.status === status && (status === 'absent' || state.n === n) ? state : null,
})

function between(what: string, start: number, end: number) {
  return { what, start, end, answered: Number.isFinite(end) }
}

const explained: [string, Operation[]][] = [
  ['nothing', []],
  ['one thing after the other', [post(1, 2), ack(3, 4), read(5, 6, 'delivered')]],
  ['a read that overlaps an ack and is before it', [post(1, 2), ack(3, 9), read(4, 5, 'pending')]],
  ['a read that overlaps an ack and is after it', [post(1, 2), ack(3, 9), read(4, 5, 'delivered')]],
  [
    'an ack without an answer that took effect late',
    [post(1, 2), ack(3, Infinity), read(7, 8, 'pending'), read(9, 10, 'delivered')],
  ],
  ['one that never did', [post(1, 2), ack(3, Infinity), read(7, 8, 'pending')]],
  ['the id posted anew', [post(1, 2), remove(3, 4), post(5, 6, 2), read(7, 8, 'pending', 2)]],
  [
    'a failure, a retry and a failure by itself',
    [
      post(1, 2),
      always('failed', 'pending'),
      always('pending', 'failed'),
      read(3, 4, 'failed'),
      read(5, 6, 'pending'),
      read(7, 8, 'failed'),
    ],
  ],
]

const unexplained: [string, Operation[]][] = [
  ['a lost event', [post(1, 2), read(3, 4, 'absent')]],
  ['a lost ack', [post(1, 2), ack(3, 4), read(5, 6, 'pending')]],
  ['an event accepted twice', [post(1, 2), post(3, 4, 2)]],
  ['an event that comes back', [post(1, 2), remove(3, 4), read(5, 6, 'pending')]],
  ['one that is there before it was posted', [read(1, 2, 'pending'), post(3, 4)]],
  [
    'an ack seen, then unseen',
    [post(1, 2), ack(3, Infinity), read(5, 6, 'delivered'), read(7, 8, 'pending')],
  ],
  ['the wrong one of two', [post(1, 2), remove(3, 4), post(5, 6, 2), read(7, 8, 'pending', 1)]],
  [
    'a pruning that took effect after it was over',
    [post(1, 2), ack(5, 6), { ...remove(3, 4), answered: false }, read(7, 8, 'absent')],
  ],
]

function always(from: State['status'], to: State['status']): Operation {
  return {
    ...between(`${from} becomes ${to}`, 0, Infinity),
    repeats: true,
    step: (state) => (state.status === from ? { ...state, status: to } : null),
  }
}

test.for(explained)('a history is explained: %s', ([, operations]) => {
  expect(isExplained(operations)).toBe(true)
})

test.for(unexplained)('no order explains %s', ([, operations]) => {
  expect(isExplained(operations)).toBe(false)
})

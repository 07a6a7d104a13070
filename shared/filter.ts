import type { EventBody } from './event'
import { isObject } from './json'
import { LIMITS } from './limits'
import { MEMBER_PATH_RULE, type MemberPath, memberPath } from './member-path'

/** Reads the filters of subscriptions, and tries events on them. No I/O. */

export type FilterValue = string | number | boolean | null
/** A filter as the configuration has it: the members that events need to have, and their values. */
export type GivenFilter = Readonly<Record<string, FilterValue | readonly FilterValue[]>>

/** A filter made ready for many events: all conditions must hold. Those on metadata come first. */
export type Filter = readonly Condition[]

/** The values that one member may have: one that it begins with, or equals as text or as a number. */
interface Condition extends MemberPath {
  texts: ReadonlySet<string>
  numbers: ReadonlySet<number>
  beginnings: readonly string[]
}

/** The most values that a list may have. */
const MAX_VALUES = 100
const EXAMPLE = '{"metadata.source": "stripe"}'

/** Makes a filter ready. What is wrong with it is told to `complain`, in words that follow "has a filter". */
export function readFilter(given: unknown, complain: (what: string) => void): Filter {
  if (!isObject(given)) {
    complain(`that is no object such as ${EXAMPLE}`)
    return []
  }
  const members = Object.entries(given)
  if (members.length > LIMITS.QUERY_FILTERS)
    complain(`with ${members.length} keys; at most ${LIMITS.QUERY_FILTERS} are allowed`)
  const conditions = members.flatMap(([name, value]) => {
    const quoted = JSON.stringify(name.slice(0, 64).toWellFormed())
    return readCondition(name, value, (what) => complain(`${quoted}${what}`)) ?? []
  })
  // Metadata is small as a rule: what fails there spares the reading of the payload.
  return conditions.toSorted((a, b) => Number(a.part === 'payload') - Number(b.part === 'payload'))
}

function readCondition(
  name: string,
  given: unknown,
  complain: (what: string) => void,
): Condition | null {
  const path = memberPath(name)
  if (!path) {
    complain(`; it must begin with payload. or metadata., and ${MEMBER_PATH_RULE}`)
    return null
  }
  const values: unknown[] = Array.isArray(given) ? given : [given]
  if (values.length < 1 || values.length > MAX_VALUES || !values.every(isFilterValue)) {
    const kinds = 'a string, a number, true, false or null'
    complain(` whose value is not ${kinds}, or a list of 1 to ${MAX_VALUES} of them`)
    return null
  }
  // As in a query string, a value is text: 1 and "1" are the same.
  const texts = values.map(String)
  if (texts.some((text) => text.length > LIMITS.QUERY_VALUE_LENGTH)) {
    complain(` with a value of more than ${LIMITS.QUERY_VALUE_LENGTH} characters`)
    return null
  }
  const whole = texts.filter((text) => !text.endsWith('*'))
  return {
    ...path,
    texts: new Set(whole),
    numbers: new Set(whole.flatMap((text) => numberIn(text) ?? [])),
    beginnings: texts.filter((text) => text.endsWith('*')).map((text) => text.slice(0, -1)),
  }
}

function isFilterValue(value: unknown): value is FilterValue {
  return value === null || ['string', 'boolean'].includes(typeof value) || Number.isFinite(value)
}

/** The number that the text is in JSON; undefined for any other text. */
function numberIn(text: string): number | undefined {
  try {
    const parsed: unknown = JSON.parse(text)
    return typeof parsed === 'number' ? parsed : undefined
  } catch {
    return undefined
  }
}

/** An event that is tried on filters. Payload and metadata are parsed when first asked for, and once. */
export class Candidate {
  readonly #body: EventBody
  readonly #parsed: Partial<Record<MemberPath['part'], unknown>> = {}

  constructor(body: EventBody) {
    this.#body = body
  }

  /** Says whether all conditions of the filter hold. */
  matches(filter: Filter): boolean {
    return filter.every((condition) => holds(condition, this.#member(condition)))
  }

  /** The value of a member; undefined when there is none. */
  #member({ part, keys }: MemberPath): unknown {
    this.#parsed[part] ??= JSON.parse(this.#body[part] ?? '{}')
    let value: unknown = this.#parsed[part]
    for (const key of keys) {
      if (!isObject(value) || !Object.hasOwn(value, key)) return undefined
      value = value[key]
    }
    return value
  }
}

/**
 * Compares as `GET /inbox` does: a string equals its text, a number its text or its value, and true, false and null
 * their names. Objects, lists and what is missing equal nothing.
 */
function holds({ texts, numbers, beginnings }: Condition, value: unknown): boolean {
  if (!isFilterValue(value) && typeof value !== 'number') return false
  const text = String(value)
  if (typeof value === 'number' ? numbers.has(value) : texts.has(text)) return true
  return beginnings.some((beginning) => text.startsWith(beginning))
}

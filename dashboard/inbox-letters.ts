import { html, nothing } from 'lit'
import { live } from 'lit/directives/live.js'
import { repeat } from 'lit/directives/repeat.js'
import type { DeadLetter, DeadLetterReasons } from '../client/types.ts'
import { ago, count, several, time } from './format'
import { changedView } from './inbox-view'
import { visible } from './json-source'
import type { Rows } from './rows'
import { type Desk, link } from './view'

type ReasonGroup = DeadLetterReasons['data'][number]

/** What the tables of dead letters show of each row, and what their controls call. */
export interface LetterTable {
  desk: Desk
  query: string
  rows: Rows
  /** Whether a letter, or all with a reason, were redriven since they came. */
  isGone: (key: string) => boolean
  redrive: (letter: DeadLetter) => void
  redriveReason: (reason: string, letters: string) => void
}

/** An event has a letter for each subscription in which it failed. */
export const keyOf = ({ event_id, subscription }: DeadLetter) => `${event_id} ${subscription}`

/** All letters with a reason. No event id begins with a space. */
export const keyOfReason = (reason: string) => ` ${reason}`

/** The reasons, each with how many letters have it: at least so many where the newest ones only were looked at. */
export function reasonTable({ data: groups, complete }: DeadLetterReasons, table: LetterTable) {
  const canManage = table.desk.can('manage')
  return html`
    <table>
      <caption class="visually-hidden">
        Reasons, the most frequent first
      </caption>
      <thead>
        <tr>
          <th scope="col">Reason</th>
          <th scope="col" class="number">Letters</th>
          <th scope="col" class="when">Newest</th>
          <th scope="col" class="subscription">Subscriptions</th>
          ${canManage ? html`<th scope="col" class="actions">Actions</th>` : nothing}
        </tr>
      </thead>
      <tbody>
        ${repeat(
          groups,
          ({ reason }) => reason,
          (group) => reasonRow(group, complete ? '' : ' or more', table),
        )}
      </tbody>
    </table>
  `
}

function reasonRow(
  { reason, count: letters, newest_failed_at, subscriptions }: ReasonGroup,
  orMore: string,
  { desk, isGone, redriveReason }: LetterTable,
) {
  const described = orMore
    ? `${count(letters)}${orMore} dead letters`
    : several(letters, 'dead letter')
  const to = `dead-letters?${new URLSearchParams({ reason })}`
  return html`
    <tr>
      <td data-label="Reason" class="main">
        ${link(desk, to, visible(reason), { kind: 'reason' })}
      </td>
      <td data-label="Letters" class="number">${count(letters)}${orMore && '+'}</td>
      <td data-label="Newest">${time(newest_failed_at, ago(newest_failed_at))}</td>
      <td data-label="Subscriptions">${subscriptions.filter(Boolean).join(', ') || '–'}</td>
      ${
        desk.can('manage')
          ? html`<td data-label="Actions" class="actions">
              ${
                isGone(keyOfReason(reason))
                  ? 'Redriven'
                  : html`<button
                      aria-label="Redrive ${count(letters)}${orMore} with the reason ${reason}"
                      ?disabled=${desk.work.busy.has('redrive')}
                      @click=${() => redriveReason(reason, described)}
                    >
                      Redrive ${count(letters)}${orMore && '+'}
                    </button>`
              }
            </td>`
          : nothing
      }
    </tr>
  `
}

/** The letters of a page, one by one. */
export function letterTable(letters: DeadLetter[], table: LetterTable) {
  const canManage = table.desk.can('manage')
  return html`
    <table>
      <caption class="visually-hidden">
        Dead letters, newest first
      </caption>
      <thead>
        <tr>
          ${canManage ? html`<th class="select"><span class="visually-hidden">Select</span></th>` : nothing}
          <th scope="col">Event</th>
          <th scope="col">Reason</th>
          <th scope="col" class="subscription">Subscription</th>
          <th scope="col" class="number">Attempts</th>
          <th scope="col" class="when">Failed</th>
          ${canManage ? html`<th scope="col" class="actions">Actions</th>` : nothing}
        </tr>
      </thead>
      <tbody>
        ${repeat(letters, keyOf, (letter) => letterRow(letter, table))}
      </tbody>
    </table>
  `
}

function letterRow(letter: DeadLetter, table: LetterTable) {
  const { desk, query, rows, redrive } = table
  const canManage = desk.can('manage')
  const { event_id, subscription, reason, retry_count, failed_at } = letter
  const name = subscription ? `${event_id} in ${subscription}` : event_id
  const key = keyOf(letter)
  const isGone = table.isGone(key)
  const { busy } = desk.work
  const isBusy = busy.has(event_id) || busy.has('redrive')
  return html`
    <tr class=${isGone ? 'gone' : nothing} aria-busy=${busy.has(event_id) ? 'true' : nothing}>
      ${
        canManage
          ? html`<td data-label="Select" class="select">
              <input
                type="checkbox"
                aria-label="Select ${name}"
                ?disabled=${isGone}
                .checked=${live(rows.selected.has(key))}
                @change=${() => rows.toggle(key)}
              />
            </td>`
          : nothing
      }
      <td data-label="Event" class="main">
        ${link(desk, `dead-letters?${changedView(query, { event: event_id })}`, event_id)}
      </td>
      <td data-label="Reason" class="wide"><div class="reason">${visible(reason)}</div></td>
      <td data-label="Subscription">
        ${subscription || html`<span class="quiet">refused by the database</span>`}
      </td>
      <td data-label="Attempts" class="number">${count(retry_count)}</td>
      <td data-label="Failed">${time(failed_at, ago(failed_at))}</td>
      ${
        canManage
          ? html`<td data-label="Actions" class="actions">
              ${
                isGone
                  ? 'Redriven'
                  : html`<button
                      aria-label="Redrive ${name}"
                      ?disabled=${isBusy}
                      @click=${() => redrive(letter)}
                    >
                      Redrive
                    </button>`
              }
            </td>`
          : nothing
      }
    </tr>
  `
}

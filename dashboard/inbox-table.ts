import { html, nothing } from 'lit'
import { live } from 'lit/directives/live.js'
import { repeat } from 'lit/directives/repeat.js'
import type { PreviewPage } from '../client/types.ts'
import type { Action } from './actions'
import { ago, badge, count, size, time } from './format'
import { changedView } from './inbox-view'
import { visible } from './json-source'
import type { Rows } from './rows'
import { type Desk, link } from './view'

type Preview = PreviewPage['data'][number]

/** A row, with what was done to it since it came. */
export type Row = Omit<Preview, 'status'> & { status: Preview['status'] | 'deleted' }

/** What the table shows of each row, and what its controls call. */
export interface TableState {
  desk: Desk
  query: string
  rows: Rows
  act: (action: Action, id: string) => void
}

/** The events of a page, with what can be done to each. Each row keeps its elements, wherever it moves. */
export function eventTable(rows: Row[], state: TableState) {
  const canManage = state.desk.can('manage')
  return html`
    <table>
      <caption class="visually-hidden">
        Events
      </caption>
      <thead>
        <tr>
          ${canManage ? html`<th class="select">${selectAll(rows, state.rows)}</th>` : nothing}
          <th scope="col" class="status">Status</th>
          <th scope="col">Event</th>
          <th scope="col" class="source">Source and subscription</th>
          <th scope="col" class="created">Created</th>
          <th scope="col" class="number retries">Retries</th>
          ${canManage ? html`<th scope="col" class="actions">Actions</th>` : nothing}
        </tr>
      </thead>
      <tbody>
        ${repeat(
          rows,
          (row) => row.event_id,
          (row) => eventRow(row, state, canManage),
        )}
      </tbody>
    </table>
  `
}

/** Selects all rows that are there, or none. */
export function selectAll(listed: Row[], rows: Rows) {
  const there = listed.filter(({ status }) => status !== 'deleted').map(({ event_id }) => event_id)
  const all = there.length > 0 && there.every((id) => rows.selected.has(id))
  return html`<input
    type="checkbox"
    aria-label="Select all"
    .checked=${live(all)}
    @change=${() => rows.select(all ? [] : there)}
  />`
}

function eventRow(row: Row, state: TableState, canManage: boolean) {
  const { desk, query, rows } = state
  const { event_id, status } = row
  const isGone = status === 'deleted'
  return html`
    <tr
      class=${isGone ? 'gone' : nothing}
      aria-busy=${desk.work.busy.has(event_id) ? 'true' : nothing}
    >
      ${
        canManage
          ? html`<td class="select" data-label="Select">
              <input
                type="checkbox"
                aria-label="Select ${event_id}"
                ?disabled=${isGone}
                .checked=${live(rows.selected.has(event_id))}
                @change=${() => rows.toggle(event_id)}
              />
            </td>`
          : nothing
      }
      <td data-label="Status" class="status">${badge(status)}</td>
      <td data-label="Event" class="what">
        <div>
          ${
            isGone
              ? event_id
              : link(desk, `inbox?${changedView(query, { event: event_id })}`, event_id, {
                  kind: 'id',
                })
          }
          <code class="preview" title=${size(row.payload_bytes)}
            >${visible(row.payload_preview.slice(0, 200))}</code
          >
        </div>
      </td>
      <td data-label="Source and subscription" class="members">
        <div>
          <div class="links">${members(row, desk, query)}</div>
          <div class="links takers">${takers(row, desk, query)}</div>
        </div>
      </td>
      <td data-label="Created" class="created">${time(row.created_at, ago(row.created_at))}</td>
      <td data-label="Retries" class="number ${row.retry_count === 0 ? 'nothing' : ''}">
        ${count(row.retry_count)}
      </td>
      ${canManage ? html`<td data-label="Actions" class="actions">${actions(row, state)}</td>` : nothing}
    </tr>
  `
}

/** So many subscriptions are named in a row; the event has them all. */
const TAKERS = 2

const FIRST_PAGE = { cursors: null, at: null, event: null }

/** Source and type, each a link to those of the events shown that share it. */
function members({ members: found }: Row, desk: Desk, query: string) {
  return Object.entries(found).map(([name, value]) =>
    link(desk, `inbox?${changedView(query, { [name]: value, ...FIRST_PAGE })}`, visible(value), {
      label: `Events with ${name} ${value}`,
      kind: name === 'metadata.source' ? 'source' : '',
    }),
  )
}

/** The subscriptions that took it, each a link to those of the events shown that it took as well. */
function takers({ subscriptions }: Row, desk: Desk, query: string) {
  const more = subscriptions.length - TAKERS
  return html`${subscriptions.slice(0, TAKERS).map((name) =>
    link(desk, `inbox?${changedView(query, { subscription: name, ...FIRST_PAGE })}`, name, {
      label: `Events of the subscription ${name}`,
    }),
  )}${more > 0 ? html`<span>and ${count(more)} more</span>` : nothing}`
}

/** Each action has a place of its own in the row, so that none takes the place of another under the reader's hand. */
function actions({ event_id, status }: Row, { act }: TableState) {
  const button = (action: Action, label: string, isThere: boolean, kind = '') =>
    html`<button
      class=${kind}
      aria-label="${label} ${event_id}"
      ?hidden=${!isThere}
      @click=${() => act(action, event_id)}
    >
      ${label}
    </button>`
  return html`
    <div class="actions">
      ${button('ack', 'Ack', status === 'pending')} ${button('nack', 'Nack', status === 'pending')}
      ${button('retry', 'Retry', status === 'failed')}
      ${button('delete', 'Delete', status !== 'deleted', 'danger')}
    </div>
  `
}

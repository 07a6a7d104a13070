import { html, nothing } from 'lit'
import { live } from 'lit/directives/live.js'
import { repeat } from 'lit/directives/repeat.js'
import type { PreviewPage } from '../client/types.ts'
import type { Action } from './actions'
import { ago, badge, count, size, time } from './format'
import { changedView } from './inbox-view'
import { visible } from './json-source'
import { type Desk, link } from './view'

type Preview = PreviewPage['data'][number]

/** A row, with what was done to it since it came. */
export type Row = Omit<Preview, 'status'> & { status: Preview['status'] | 'deleted' }

/** What is selected in the table, and what its controls call. */
export interface TableState {
  desk: Desk
  query: string
  selected: ReadonlySet<string>
  /** The rows that something is being done to. */
  busy: ReadonlySet<string>
  select: (ids: ReadonlySet<string>) => void
  act: (action: Action, id: string) => void
}

/** The events of a page, with what can be done to each. Each row keeps its elements, wherever it moves. */
export function eventTable(rows: Row[], state: TableState) {
  const { desk, selected, select } = state
  const canManage = desk.can('manage')
  const there = rows.filter(({ status }) => status !== 'deleted').map(({ event_id }) => event_id)
  const all = there.length > 0 && there.every((id) => selected.has(id))
  const selectAll = () => select(new Set(all ? [] : there))
  return html`
    <table>
      <caption class="visually-hidden">
        Events
      </caption>
      <thead>
        <tr>
          ${
            canManage
              ? html`<th class="select">
                  <input
                    type="checkbox"
                    aria-label="Select all"
                    .checked=${live(all)}
                    @change=${selectAll}
                  />
                </th>`
              : nothing
          }
          <th scope="col" class="status">Status</th>
          <th scope="col">Event</th>
          <th scope="col" class="source">Source and type</th>
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

function eventRow(row: Row, state: TableState, canManage: boolean) {
  const { desk, query, selected, busy, select } = state
  const { event_id, status } = row
  const isGone = status === 'deleted'
  return html`
    <tr class=${isGone ? 'gone' : nothing} aria-busy=${busy.has(event_id) ? 'true' : nothing}>
      ${
        canManage
          ? html`<td class="select" data-label="Select">
              <input
                type="checkbox"
                aria-label="Select ${event_id}"
                ?disabled=${isGone}
                .checked=${live(selected.has(event_id))}
                @change=${() => select(toggled(selected, event_id))}
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
      <td data-label="Source and type"><div>${members(row, desk, query)}</div></td>
      <td data-label="Created">${time(row.created_at, ago(row.created_at))}</td>
      <td data-label="Retries" class="number">${count(row.retry_count)}</td>
      ${canManage ? html`<td data-label="Actions" class="actions">${actions(row, state)}</td>` : nothing}
    </tr>
  `
}

const FIRST_PAGE = { cursors: null, at: null, event: null }

/** Source and type, each a link to those of the events shown that share it. */
function members({ members: found }: Row, desk: Desk, query: string) {
  const entries = Object.entries(found)
  if (entries.length === 0) return html`<span class="quiet none">–</span>`
  return entries.map(([name, value]) =>
    link(desk, `inbox?${changedView(query, { [name]: value, ...FIRST_PAGE })}`, visible(value), {
      label: `Events with ${name} ${value}`,
      kind: name === 'metadata.source' ? 'member source' : 'member',
    }),
  )
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

function toggled(selected: ReadonlySet<string>, id: string): ReadonlySet<string> {
  const changed = new Set(selected)
  if (!changed.delete(id)) changed.add(id)
  return changed
}

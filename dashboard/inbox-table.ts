import { html, nothing } from 'lit'
import type { Action, InboxEvent } from './api'
import { badge, count, time } from './format'

/** What is selected in the table, and what its controls call. */
export interface TableState {
  selected: ReadonlySet<string>
  select: (ids: ReadonlySet<string>) => void
  open: (id: string) => void
  act: (action: Action, ids: string[]) => void
}

/** The events of a page, with what can be done to each. */
export function eventTable(rows: InboxEvent[], state: TableState) {
  const { selected, select } = state
  const all = rows.every((row) => selected.has(row.event_id))
  const selectAll = () => select(new Set(all ? [] : rows.map((row) => row.event_id)))
  return html`
    <table>
      <caption class="visually-hidden">
        Events, newest first
      </caption>
      <thead>
        <tr>
          <th>
            <input type="checkbox" aria-label="Select all" .checked=${all} @change=${selectAll} />
          </th>
          <th scope="col">Status</th>
          <th scope="col">Event</th>
          <th scope="col">Created</th>
          <th scope="col" class="number">Retries</th>
          <th scope="col">Actions</th>
        </tr>
      </thead>
      <tbody>
        ${rows.map((row) => eventRow(row, state))}
      </tbody>
    </table>
  `
}

function eventRow(row: InboxEvent, { selected, select, open, act }: TableState) {
  const { event_id, status } = row
  return html`
    <tr>
      <td class="select" data-label="Select">
        <input
          type="checkbox"
          aria-label="Select ${event_id}"
          .checked=${selected.has(event_id)}
          @change=${() => select(toggled(selected, event_id))}
        />
      </td>
      <td data-label="Status">${badge(status)}</td>
      <td data-label="Event">
        <div>
          <button class="link" @click=${() => open(event_id)}>${event_id}</button>
          <code class="preview">${JSON.stringify(row.payload).slice(0, 200)}</code>
        </div>
      </td>
      <td data-label="Created">${time(row.created_at)}</td>
      <td data-label="Retries" class="number">${count(row.retry_count)}</td>
      <td data-label="Actions">
        <div class="row actions">
          ${
            status === 'pending'
              ? html`<button aria-label="Ack ${event_id}" @click=${() => act('ack', [event_id])}>
                    Ack
                  </button>
                  <button aria-label="Nack ${event_id}" @click=${() => act('nack', [event_id])}>
                    Nack
                  </button>`
              : nothing
          }
          ${
            status === 'failed'
              ? html`<button
                  aria-label="Retry ${event_id}"
                  @click=${() => act('retry', [event_id])}
                >
                  Retry
                </button>`
              : nothing
          }
          <button
            class="danger"
            aria-label="Delete ${event_id}"
            @click=${() => act('delete', [event_id])}
          >
            Delete
          </button>
        </div>
      </td>
    </tr>
  `
}

function toggled(selected: ReadonlySet<string>, id: string): ReadonlySet<string> {
  const changed = new Set(selected)
  if (!changed.delete(id)) changed.add(id)
  return changed
}

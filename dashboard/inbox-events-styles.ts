import { css } from 'lit'

/** How the filters and the rows of the inbox look. */
export const eventsStyles = css`
  .filters {
    display: flex;
    flex-wrap: wrap;
    align-items: end;
    gap: 0.6rem 0.75rem;
    margin-bottom: 0.75rem;
  }
  .filters > label {
    flex: 0 1 10rem;
  }
  .bounds {
    display: flex;
    flex-wrap: wrap;
    gap: 0.6rem 0.75rem;
  }
  .bounds label {
    flex: 0 1 13rem;
  }
  .time {
    color: var(--quiet);
    font-size: inherit;
    white-space: nowrap;
  }
  .time small {
    font-size: inherit;
  }
  .time small::before {
    content: '· ';
  }
  .statuses {
    display: flex;
    flex-wrap: wrap;
    gap: 0.35rem;
    margin: 0;
    padding: 0;
    border: 0;
  }
  .toggle {
    display: flex;
    align-items: center;
    gap: 0.4rem;
    min-height: 2.125rem;
    padding: 0 0.65rem;
    border: 1px solid var(--border);
    border-radius: 0.45rem;
    cursor: pointer;
  }
  .toggle input {
    position: absolute;
    opacity: 0;
    pointer-events: none;
  }
  .toggle:has(:focus-visible) {
    outline: 2px solid var(--accent);
    outline-offset: 2px;
  }
  .toggle:has(:checked) {
    border-color: var(--accent);
    background: color-mix(in srgb, var(--accent) 8%, var(--surface));
  }
  .toggle .count {
    color: var(--quiet);
    font-size: 0.75rem;
  }
  .finder {
    display: flex;
    flex: 1 1 100%;
    flex-wrap: wrap;
    align-items: end;
    gap: 0.5rem;
  }
  .finder label {
    flex: 0 1 10rem;
  }
  table {
    table-layout: fixed;
  }
  th.select {
    width: 2rem;
  }
  th.status {
    width: 7.25rem;
  }
  th.source {
    width: 9.5rem;
  }
  th.created {
    width: 8.5rem;
  }
  th.retries {
    width: 4.5rem;
  }
  th.actions {
    width: 13.25rem;
  }
  tr[aria-busy] {
    opacity: 0.55;
  }
  .what > div,
  .what {
    min-width: 0;
  }
  .id {
    overflow-wrap: anywhere;
    font-weight: 500;
  }
  .preview {
    display: block;
    overflow: hidden;
    max-width: 100%;
    color: var(--quiet);
    text-overflow: ellipsis;
    white-space: nowrap;
  }
  .member {
    display: block;
    max-width: 100%;
    overflow-wrap: anywhere;
    color: var(--quiet);
    font-size: 0.875rem;
  }
  .member.source {
    color: var(--text);
  }
  div.actions {
    display: grid;
    grid-template-columns: 3.75rem 3.75rem 4.25rem;
    gap: 0.35rem;
  }
  .actions button {
    grid-row: 1;
    min-height: 1.875rem;
    padding-inline: 0;
    font-size: 0.8125rem;
  }
  .actions :nth-child(1),
  .actions :nth-child(3) {
    grid-column: 1;
  }
  .actions :nth-child(2) {
    grid-column: 2;
  }
  .actions :nth-child(4) {
    grid-column: 3;
  }
  .actions .danger {
    border-color: transparent;
    background: none;
  }
  .actions .danger:hover {
    border-color: currentColor;
  }
  @container (width < 54rem) {
    .filters {
      display: grid;
      grid-template-columns: repeat(2, minmax(0, 1fr));
    }
    .filters > fieldset,
    .filters > .bounds,
    .filters > form {
      grid-column: 1 / -1;
    }
    .finder label {
      flex: 1 1 6rem;
    }
    .toggle {
      flex: auto;
      justify-content: center;
      padding: 0 0.4rem;
      font-size: 0.8125rem;
    }
    .toggle .badge {
      font-size: inherit;
    }
    tr {
      position: relative;
      display: flex;
      flex-wrap: wrap;
      gap: 0.25rem 0.9rem;
      padding-inline-start: 2rem;
    }
    tr td,
    tr td:first-child,
    tr td:last-child {
      display: block;
      order: 2;
    }
    tr td.select {
      position: absolute;
      inset: 0.6rem auto auto 0;
    }
    tr td.what {
      flex: 1 1 calc(100% - 8rem);
      order: 0;
      width: 0;
    }
    tr td.status {
      order: 1;
    }
    tr td.actions {
      flex: 1 1 100%;
    }
    td::before {
      content: none;
    }
    td.number::before {
      margin-inline-end: 0.4rem;
      content: attr(data-label);
    }
    .member {
      display: inline-block;
      margin-inline-end: 0.75rem;
    }
    td:has(> div > .none),
    td.actions:not(:has(button:not([hidden]))) {
      display: none !important;
    }
  }
  @media (forced-colors: active) {
    .toggle:has(:checked) {
      outline: 2px solid Highlight;
    }
  }
`

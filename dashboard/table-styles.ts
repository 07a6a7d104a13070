import { css } from 'lit'

/** How tables look, with the bar above and the pages below; on a narrow screen each row is a card. */
export const tableStyles = css`
  table {
    width: 100%;
    border-collapse: collapse;
  }
  th,
  td {
    padding: 0.5rem 0.6rem;
    border-bottom: 1px solid var(--border);
    text-align: start;
    vertical-align: middle;
  }
  /* Where a whole column is links, the words are enough. */
  td a,
  dd a {
    text-decoration-color: transparent;
  }
  th:first-child,
  td:first-child {
    padding-inline-start: 0.25rem;
  }
  th:last-child,
  td:last-child {
    padding-inline-end: 0.25rem;
  }
  tbody tr:last-child td {
    border-bottom: 0;
  }
  th {
    color: var(--quiet);
    font-size: 0.78rem;
    font-weight: 600;
    white-space: nowrap;
  }
  tbody tr:hover {
    background: color-mix(in srgb, var(--sunken) 60%, transparent);
  }
  .select input {
    display: block;
  }
  tr[aria-busy] {
    opacity: 0.55;
  }
  .rows.old {
    opacity: 0.55;
  }
  tr.gone {
    color: var(--quiet);
  }
  .number {
    font-variant-numeric: tabular-nums;
    text-align: end;
  }
  .bar {
    min-height: 2.125rem;
    margin-bottom: 0.5rem;
  }
  .bar .told {
    display: flex;
    flex: 1 1 12rem;
    align-items: center;
    min-width: 0;
    min-height: 2.125rem;
  }
  .told .summary {
    flex: 1 1 0;
    overflow: hidden;
    text-overflow: ellipsis;
    white-space: nowrap;
  }
  .told button {
    flex: none;
    margin-inline-start: auto;
  }
  .pages {
    display: flex;
    flex-wrap: wrap;
    align-items: center;
    justify-content: end;
    gap: 0.5rem;
    margin-top: 0.9rem;
  }
  .pages label {
    margin-inline-end: auto;
  }
  .chips {
    display: flex;
    flex-wrap: wrap;
    gap: 0.4rem;
    margin: 0 0 0.75rem;
    padding: 0;
    list-style: none;
  }
  .chips li {
    display: flex;
    align-items: center;
    gap: 0.35rem;
    max-width: 100%;
    padding-inline-start: 0.7rem;
    border: 1px solid var(--border);
    border-radius: 1rem;
    background: var(--sunken);
    overflow-wrap: anywhere;
    font-size: 0.875rem;
  }
  .chips li:has(> button:only-child) {
    padding: 0;
    border-color: transparent;
    background: none;
  }
  .chips .quiet {
    flex: none;
    white-space: nowrap;
  }
  .chips button {
    min-height: 1.75rem;
    padding-block: 0;
    border-radius: 2rem;
  }
  @container (width < 54rem) {
    table,
    tbody,
    tr,
    td,
    caption {
      display: block;
    }
    thead {
      display: none;
    }
    /* A row becomes a card: what it is about first, then what there is to say, each with its label. */
    tr {
      position: relative;
      display: flex;
      flex-wrap: wrap;
      align-items: center;
      gap: 0.2rem 1rem;
      padding: 0.7rem 0;
      border-bottom: 1px solid var(--border);
    }
    tr:has(> td.select) {
      padding-inline-start: 2rem;
    }
    tbody tr:last-child {
      border-bottom: 0;
    }
    td,
    td:first-child,
    td:last-child {
      display: flex;
      gap: 0.4rem;
      min-width: 0;
      padding: 0;
      border: 0;
      text-align: start;
    }
    td::before {
      flex: none;
      color: var(--quiet);
      content: attr(data-label);
    }
    td:is(.main, .wide) {
      flex: 1 1 100%;
    }
    td:is(.main, .wide, .select, .actions)::before {
      content: none;
    }
    td.select {
      position: absolute;
      inset: 0.95rem auto auto 0;
    }
    td.actions {
      margin-inline-start: auto;
    }
    td > * {
      min-width: 0;
      max-width: 100%;
    }
    .broad {
      display: none;
    }
    .narrow {
      display: inline;
    }
    label.narrow {
      display: flex;
    }
    .bar .told {
      flex: 1 1 100%;
    }
    .number {
      text-align: start;
    }
  }
`

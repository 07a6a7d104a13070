import { css } from 'lit'

/** How the filters and the rows of the inbox look. */
export const eventsStyles = css`
  .heading {
    margin-bottom: 0.75rem;
  }
  .heading h2 {
    flex: none;
    margin-inline-end: 0.5rem;
  }
  .zone {
    margin-inline-start: auto;
    font-size: 0.8125rem;
  }
  .filters {
    display: flex;
    gap: 0.5rem;
    margin-bottom: 0.75rem;
  }
  .filters select {
    flex: none;
    width: auto;
  }
  .finder {
    display: flex;
    flex: 1;
    gap: 0.5rem;
    min-width: 0;
  }
  .finder input {
    flex: 1 1 6rem;
  }
  .bounds {
    display: flex;
    flex-wrap: wrap;
    gap: 0.5rem 1rem;
    margin-bottom: 0.75rem;
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
    min-height: 1.875rem;
    padding: 0 0.3rem 0 0.65rem;
    border: 1px solid var(--border);
    border-radius: 2rem;
    font-size: 0.8125rem;
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
  .toggle .badge {
    font-size: inherit;
  }
  table {
    table-layout: fixed;
  }
  th.select {
    width: 2rem;
  }
  th.status {
    width: 6.75rem;
  }
  th.source {
    width: 12rem;
  }
  th.created {
    width: 7.5rem;
  }
  th.retries {
    width: 4.25rem;
  }
  th.actions {
    width: 12.5rem;
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
  .links {
    display: flex;
    flex-wrap: wrap;
    gap: 0 0.75rem;
    min-width: 0;
    overflow-wrap: anywhere;
    font-size: 0.875rem;
  }
  .links:empty {
    display: none;
  }
  .links a {
    overflow: hidden;
    min-width: 0;
    max-height: 3em;
    color: var(--quiet);
  }
  .links a.source {
    color: var(--text);
  }
  .takers a::before {
    content: '→ ';
  }
  .links a:hover {
    color: var(--accent);
  }
  div.actions {
    display: grid;
    grid-template-columns: 3.5rem 3.5rem 4rem;
    gap: 0.35rem;
  }
  .actions button {
    grid-row: 1;
    border-color: var(--border);
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
  /* What cannot be undone is there, but not loud, until the hand comes near. */
  .actions .danger {
    border-color: transparent;
    background: none;
    color: var(--quiet);
  }
  tr:hover .actions button:not(.danger),
  .actions button:focus-visible {
    border-color: var(--field);
  }
  tr:hover .danger,
  .actions .danger:focus-visible {
    color: var(--failed);
  }
  .actions .danger:hover {
    border-color: currentColor;
  }
  @container (width < 54rem) {
    .filters {
      flex-wrap: wrap;
    }
    .finder {
      flex: 1 1 100%;
    }
    .filters > select {
      flex: 1;
    }
    /* All that can stand in the bar fits its two lines, so that no row moves when it does. */
    .bar .told {
      flex: 1 1 100%;
    }
    .bar label.inline {
      flex: 1;
      min-height: 2.125rem;
    }
    td.what {
      flex: 1 1 calc(100% - 8rem);
      width: 0;
    }
    td:is(.what, .status, .members, .created)::before {
      content: none;
    }
    td.what {
      order: -2;
    }
    td.status {
      order: -1;
    }
    td.nothing {
      display: none;
    }
    td.members > div {
      display: flex;
      flex-wrap: wrap;
      gap: 0 0.75rem;
    }
    td.actions:not(:has(button:not([hidden]))) {
      display: none;
    }
  }
  @container (width < 24rem) {
    .bar:has(.bulk) label span {
      display: none;
    }
  }
  @container (width < 30rem) {
    .heading .zone {
      order: 1;
    }
    .heading .statuses {
      flex: 1 1 100%;
      order: 2;
    }
    .toggle {
      gap: 0.25rem;
      padding: 0 0.15rem 0 0.5rem;
      font-size: 0.75rem;
    }
    .finder select {
      flex: 0 1 8.5rem;
      min-width: 5rem;
    }
  }
  @media (forced-colors: active) {
    .toggle:has(:checked) {
      border: 3px solid Highlight;
    }
  }
`

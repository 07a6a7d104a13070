import { css } from 'lit'

/** Styles that all elements share. The host page sets the `--event-inbox-*` properties. */
export const styles = css`
  :host {
    --accent: var(--event-inbox-accent, light-dark(#1d4ed8, #9bbcff));
    --surface: var(--event-inbox-surface, light-dark(#ffffff, #1a1f29));
    --border: var(--event-inbox-border, light-dark(#d5dae3, #39414f));
    --text: var(--event-inbox-text, light-dark(#1c2330, #e8ecf4));
    --quiet: var(--event-inbox-quiet, light-dark(#4d5768, #aab3c2));
    --pending: var(--event-inbox-pending, light-dark(#8a5a00, #f2c14b));
    --delivered: var(--event-inbox-delivered, light-dark(#14743c, #5fd38d));
    --failed: var(--event-inbox-failed, light-dark(#b3261e, #ff8f8a));
    display: block;
    color: var(--text);
    font: 0.9375rem/1.5 var(--event-inbox-font, system-ui, sans-serif);
  }
  *,
  ::before,
  ::after {
    box-sizing: border-box;
  }
  h2,
  h3 {
    margin: 0 0 0.75rem;
    font-size: 1.05rem;
    line-height: 1.3;
  }
  .panel {
    padding: 1rem;
    border: 1px solid var(--border);
    border-radius: 0.6rem;
    background: var(--surface);
  }
  input,
  select,
  textarea,
  button {
    min-height: 2.25rem;
    padding: 0.3rem 0.65rem;
    border: 1px solid light-dark(#80899a, #7d8697);
    border-radius: 0.4rem;
    background: var(--surface);
    color: inherit;
    font: inherit;
  }
  input,
  select,
  textarea {
    width: 100%;
    min-width: 0;
  }
  input[type='checkbox'] {
    width: 1.1rem;
    min-height: 1.1rem;
    height: 1.1rem;
    margin: 0;
    accent-color: var(--accent);
  }
  button {
    cursor: pointer;
  }
  button.main {
    border-color: var(--accent);
    background: var(--accent);
    color: light-dark(#fff, #0d1320);
  }
  button.danger {
    border-color: var(--failed);
    color: var(--failed);
  }
  button.link {
    min-height: 0;
    padding: 0;
    border: 0;
    background: none;
    color: var(--accent);
    text-align: start;
    text-decoration: underline;
    overflow-wrap: anywhere;
  }
  button:disabled {
    cursor: default;
    opacity: 0.55;
  }
  :focus-visible {
    outline: 3px solid var(--accent);
    outline-offset: 2px;
  }
  label {
    display: grid;
    gap: 0.2rem;
    color: var(--quiet);
    font-size: 0.85rem;
  }
  label > * {
    color: var(--text);
    font-size: 0.9375rem;
  }
  .row {
    display: flex;
    flex-wrap: wrap;
    align-items: center;
    gap: 0.5rem;
  }
  .quiet {
    color: var(--quiet);
  }
  .alert {
    margin: 0 0 0.75rem;
    padding: 0.6rem 0.8rem;
    border: 1px solid var(--failed);
    border-radius: 0.4rem;
    color: var(--failed);
  }
  .badge {
    display: inline-flex;
    align-items: center;
    gap: 0.4rem;
    color: var(--status);
    font-weight: 600;
    white-space: nowrap;
  }
  .badge::before {
    width: 0.6rem;
    height: 0.6rem;
    border-radius: 50%;
    background: var(--mark);
    content: '';
  }
  .pending {
    --status: var(--pending);
    --mark: var(--event-inbox-pending, light-dark(#eab308, #f2c14b));
  }
  .delivered {
    --status: var(--delivered);
    --mark: var(--event-inbox-delivered, light-dark(#16a34a, #5fd38d));
  }
  .failed {
    --status: var(--failed);
    --mark: var(--event-inbox-failed, light-dark(#dc2626, #ff8f8a));
  }
  code,
  pre,
  textarea {
    font-family: ui-monospace, 'SF Mono', Menlo, Consolas, monospace;
    font-size: 0.85rem;
  }
  table {
    width: 100%;
    border-collapse: collapse;
  }
  caption {
    padding-bottom: 0.5rem;
    color: var(--quiet);
    text-align: start;
  }
  th,
  td {
    padding: 0.5rem 0.6rem;
    border-bottom: 1px solid var(--border);
    text-align: start;
    vertical-align: top;
  }
  th {
    color: var(--quiet);
    font-size: 0.8rem;
    font-weight: 600;
    white-space: nowrap;
  }
  .number {
    font-variant-numeric: tabular-nums;
    text-align: end;
  }
  .preview {
    display: block;
    overflow: hidden;
    max-width: 26rem;
    color: var(--quiet);
    text-overflow: ellipsis;
    white-space: nowrap;
  }
  .bar {
    min-height: 2.25rem;
    margin-bottom: 0.5rem;
  }
  .bar [role='status'] {
    flex: 1;
  }
  .empty {
    padding: 2.5rem 1rem;
    color: var(--quiet);
    text-align: center;
  }
  .pages {
    display: flex;
    justify-content: end;
    gap: 0.5rem;
    margin-top: 0.75rem;
  }
  .visually-hidden {
    position: absolute;
    width: 1px;
    height: 1px;
    overflow: hidden;
    clip-path: inset(50%);
    white-space: nowrap;
  }
  @container (width < 44rem) {
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
    tr {
      padding: 0.6rem 0;
      border-bottom: 1px solid var(--border);
    }
    td {
      display: grid;
      grid-template-columns: 6.5rem minmax(0, 1fr);
      gap: 0.5rem;
      padding: 0.15rem 0;
      border: 0;
      text-align: start;
    }
    td::before {
      color: var(--quiet);
      content: attr(data-label);
    }
    .number {
      text-align: start;
    }
    .preview {
      max-width: none;
    }
  }
`

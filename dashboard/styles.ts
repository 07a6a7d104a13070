import { css } from 'lit'

/**
 * Styles that all elements share. The host page sets the `--event-inbox-*` properties; light or dark is the page's own
 * `color-scheme`.
 */
export const styles = css`
  :host {
    --accent: var(--event-inbox-accent, light-dark(#2f4fd0, #a3b8ff));
    --surface: var(--event-inbox-surface, light-dark(#ffffff, #181b22));
    --sunken: light-dark(#f4f5f8, #20242d);
    --border: var(--event-inbox-border, light-dark(#e1e4eb, #2f3541));
    --field: light-dark(#868d9c, #767f92);
    --text: var(--event-inbox-text, light-dark(#191d27, #e9ecf3));
    --quiet: var(--event-inbox-quiet, light-dark(#545c6d, #a6afc0));
    --pending: var(--event-inbox-pending, light-dark(#855600, #f0c04f));
    --delivered: var(--event-inbox-delivered, light-dark(#14703b, #63d191));
    --failed: var(--event-inbox-failed, light-dark(#b0251d, #ff938d));
    --mark-pending: var(--event-inbox-pending, light-dark(#eab308, #f0c04f));
    --mark-delivered: var(--event-inbox-delivered, light-dark(#22a35a, #4fc382));
    --mark-failed: var(--event-inbox-failed, light-dark(#dc3b32, #ff8079));
    display: block;
    color: var(--text);
    font: 0.9375rem/1.5 var(--event-inbox-font, system-ui, sans-serif);
  }
  *,
  ::before,
  ::after {
    box-sizing: border-box;
  }
  [hidden] {
    display: none !important;
  }
  h2,
  h3 {
    margin: 0 0 0.9rem;
    font-size: 1.0625rem;
    font-weight: 650;
    line-height: 1.3;
  }
  h3 {
    margin: 0 0 0.4rem;
    font-size: 0.9375rem;
  }
  a {
    color: var(--accent);
    text-underline-offset: 0.15em;
    text-decoration-thickness: 1px;
    text-decoration-color: color-mix(in srgb, currentColor 45%, transparent);
  }
  a:hover {
    text-decoration-color: currentColor;
  }
  .heading {
    display: flex;
    flex-wrap: wrap;
    align-items: center;
    gap: 0.5rem 0.75rem;
    margin-bottom: 0.9rem;
  }
  .heading h2 {
    flex: 1;
    margin: 0;
  }
  .panel {
    min-width: 0;
    padding: 1.1rem 1.25rem;
    border: 1px solid var(--border);
    border-radius: 0.75rem;
    background: var(--surface);
  }
  dialog {
    border: 1px solid var(--border);
    border-radius: 0.75rem;
    background: var(--surface);
    color: inherit;
  }
  dialog::backdrop {
    background: rgb(10 14 22 / 45%);
  }
  input,
  select,
  textarea,
  button {
    min-height: 2.125rem;
    padding: 0.25rem 0.7rem;
    border: 1px solid var(--field);
    border-radius: 0.45rem;
    background: var(--surface);
    color: inherit;
    font: inherit;
    font-size: 0.875rem;
  }
  input,
  select,
  textarea {
    width: 100%;
    min-width: 0;
  }
  input[type='checkbox'] {
    width: 1.05rem;
    min-height: 1.05rem;
    height: 1.05rem;
    margin: 0;
    accent-color: var(--accent);
  }
  button {
    cursor: pointer;
  }
  button:hover:not(:disabled, [aria-disabled='true']) {
    background: var(--sunken);
  }
  button.main {
    border-color: var(--accent);
    background: var(--accent);
    color: light-dark(#fff, #10131c);
    font-weight: 600;
  }
  button.main:hover:not(:disabled, [aria-disabled='true']) {
    background: color-mix(in srgb, var(--accent) 88%, var(--text));
  }
  button.danger {
    border-color: color-mix(in srgb, var(--failed) 55%, var(--surface));
    color: var(--failed);
  }
  button.danger.main {
    background: var(--failed);
    color: light-dark(#fff, #10131c);
  }
  button.plain {
    border-color: transparent;
    background: none;
    color: var(--quiet);
  }
  button.plain:hover:not(:disabled),
  button.plain[aria-pressed='true'] {
    background: var(--sunken);
    color: var(--text);
  }
  button:is(:disabled, [aria-disabled='true']) {
    cursor: default;
    opacity: 0.5;
  }
  /* What has the focus is not below a message. */
  a,
  button,
  input,
  select,
  textarea,
  [tabindex] {
    scroll-margin-bottom: var(--room, 0);
  }
  h2:focus,
  .home:focus:not(:focus-visible) {
    outline: none;
  }
  :focus-visible {
    outline: 2px solid var(--accent);
    outline-offset: 2px;
  }
  label {
    display: grid;
    gap: 0.2rem;
    color: var(--quiet);
    font-size: 0.8125rem;
  }
  label > * {
    color: var(--text);
    font-size: 0.875rem;
  }
  label.inline {
    display: flex;
    align-items: center;
    gap: 0.4rem;
    white-space: nowrap;
  }
  .narrow,
  label.narrow {
    display: none;
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
    display: flex;
    flex-wrap: wrap;
    align-items: center;
    gap: 0.75rem;
    margin: 0 0 0.9rem;
    padding: 0.6rem 0.9rem;
    border: 1px solid color-mix(in srgb, var(--failed) 45%, var(--surface));
    border-radius: 0.5rem;
    background: color-mix(in srgb, var(--failed) 7%, var(--surface));
    color: var(--failed);
    overflow-wrap: anywhere;
  }
  .alert > span {
    flex: 1 1 14rem;
  }
  /* Why there is nothing newer stands below the rows, which it must not move, and is always in sight. */
  .last {
    position: sticky;
    z-index: 1;
    bottom: 4rem;
  }
  .last .alert {
    margin: 0.75rem 0 0;
  }
  /* Work that the reader waits for is seen once that takes a while. */
  [aria-busy='true']:not(dialog, tr) {
    position: relative;
  }
  /* In a row it would be one more cell, and move all others. */
  [aria-busy='true']:not(tr)::after {
    position: absolute;
    inset: 0 0 auto;
    height: 2px;
    border-radius: 2px;
    background: linear-gradient(90deg, transparent, var(--accent), transparent) 0 / 40% no-repeat;
    content: '';
    animation:
      appear 0s 0.3s both,
      work 1.2s 0.3s ease-in-out infinite;
  }
  @media (prefers-reduced-motion: reduce) {
    [aria-busy='true']:not(tr)::after {
      background-size: 100%;
      animation: appear 0s 0.3s both;
    }
  }
  .waits {
    animation: appear 0s 0.3s both;
  }
  @keyframes appear {
    from {
      visibility: hidden;
    }
  }
  @keyframes work {
    from {
      background-position-x: -70%;
    }
    to {
      background-position-x: 170%;
    }
  }
  .badge {
    display: inline-flex;
    align-items: center;
    gap: 0.4rem;
    color: var(--status, var(--text));
    font-weight: 500;
    white-space: nowrap;
  }
  .badge::before {
    flex: none;
    width: 0.55rem;
    height: 0.55rem;
    border-radius: 50%;
    background: var(--mark, var(--quiet));
    content: '';
  }
  .pending,
  .nacked,
  .scheduled,
  .expired {
    --status: var(--pending);
    --mark: var(--mark-pending);
  }
  .delivered,
  .acked {
    --status: var(--delivered);
    --mark: var(--mark-delivered);
  }
  .failed {
    --status: var(--failed);
    --mark: var(--mark-failed);
  }
  .letters,
  .unstored {
    --mark: var(--mark-failed);
  }
  .leased,
  .ready,
  .claimed {
    --mark: var(--accent);
  }
  .count {
    padding: 0 0.45rem;
    border-radius: 1rem;
    background: var(--sunken);
    color: var(--quiet);
    font-size: 0.75rem;
    font-variant-numeric: tabular-nums;
    font-weight: 500;
    line-height: 1.25rem;
  }
  code,
  pre,
  textarea {
    font-family: ui-monospace, 'SF Mono', Menlo, Consolas, monospace;
    font-size: 0.8125rem;
  }
  pre,
  code {
    direction: ltr;
    unicode-bidi: isolate;
  }
  .empty {
    margin: 0;
    padding: 3rem 1rem;
    color: var(--quiet);
    text-align: center;
  }
  .segments {
    display: inline-flex;
    overflow: hidden;
    border: 1px solid var(--field);
    border-radius: 0.45rem;
  }
  .segments button {
    min-height: 1.875rem;
    border: 0;
    border-radius: 0;
  }
  .segments button:focus-visible {
    outline-offset: -2px;
  }
  .segments button[aria-pressed='true'] {
    background: var(--sunken);
    font-weight: 650;
  }
  time {
    unicode-bidi: isolate;
  }
  .visually-hidden {
    position: absolute;
    width: 1px;
    height: 1px;
    overflow: hidden;
    clip-path: inset(50%);
    white-space: nowrap;
  }
  @media (forced-colors: active) {
    .badge::before {
      background: CanvasText;
      forced-color-adjust: none;
    }
    .failed.badge::before {
      border-radius: 0;
    }
    .pending.badge::before {
      border: 2px solid CanvasText;
      background: Canvas;
    }
    .segments button[aria-pressed='true'],
    button.plain[aria-pressed='true'] {
      background: Highlight;
      color: HighlightText;
      forced-color-adjust: none;
    }
  }
  @media print {
    :host {
      color-scheme: light;
    }
    button,
    form,
    .pages,
    .filters,
    .select {
      display: none !important;
    }
    .panel {
      border: 0;
      padding: 0;
    }
  }
`

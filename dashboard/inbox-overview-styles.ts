import { css } from 'lit'

/** How the counts and the chart of the overview stand. */
export const overviewStyles = css`
  :host {
    display: grid;
    grid-template-columns: minmax(0, 1fr);
    gap: 1rem;
  }
  .counts {
    overflow: hidden;
    padding: 0;
  }
  /* It is as high whatever it says: what is below must not move. */
  .state {
    display: flex;
    align-items: baseline;
    gap: 0.2rem 1rem;
    padding: 0.9rem 1.25rem 0.75rem;
  }
  .state h2 {
    flex: none;
    margin: 0;
    font-weight: 650;
  }
  .state .badge {
    --status: var(--text);
  }
  .wants {
    overflow: hidden;
    min-width: 0;
    margin: 0;
    text-overflow: ellipsis;
    white-space: nowrap;
  }
  .wants > * {
    margin-inline-end: 1rem;
  }
  dl {
    display: grid;
    grid-template-columns: repeat(4, minmax(0, 1fr));
    gap: 1px;
    margin: 0;
    border-block: 1px solid var(--border);
    background: var(--border);
  }
  .card {
    position: relative;
    padding: 0.9rem 1.25rem;
    background: var(--surface);
  }
  .card.wants {
    background: color-mix(in srgb, var(--mark) 9%, var(--surface));
    box-shadow: inset 0 2px var(--mark);
  }
  dt {
    display: flex;
    align-items: center;
    min-height: 1.4rem;
    color: var(--quiet);
    font-size: 0.8125rem;
  }
  dd {
    margin: 0;
    font-size: 1.75rem;
    font-variant-numeric: tabular-nums;
    font-weight: 600;
    letter-spacing: -0.015em;
    line-height: 1.35;
  }
  dd a {
    color: inherit;
    text-decoration: none;
  }
  dd a::after {
    position: absolute;
    inset: 0;
    content: '';
  }
  .card:has(a:hover) {
    background: var(--sunken);
  }
  dd small {
    display: block;
    min-height: 1.2rem;
    overflow-wrap: anywhere;
    color: var(--quiet);
    font-size: 0.8rem;
    font-weight: 400;
    letter-spacing: 0;
    line-height: 1.2rem;
  }
  dd.words {
    font-size: 1.1rem;
    line-height: 2.36rem;
  }
  .rate {
    display: grid;
    grid-template-columns: auto 1fr auto;
    align-items: center;
    gap: 0.75rem;
    padding: 0.8rem 1.25rem;
  }
  .rate label {
    color: var(--quiet);
    font-size: 0.8125rem;
  }
  progress {
    width: 100%;
    height: 0.4rem;
    overflow: hidden;
    border: 0;
    border-radius: 1rem;
    background: var(--sunken);
    accent-color: var(--delivered);
  }
  progress::-webkit-progress-bar {
    background: var(--sunken);
  }
  progress::-webkit-progress-value {
    background: var(--mark-delivered);
  }
  progress::-moz-progress-bar {
    background: var(--mark-delivered);
  }
  .chart {
    min-height: 17rem;
  }
  @container (width < 56rem) {
    dl {
      grid-template-columns: repeat(2, minmax(0, 1fr));
    }
    .card,
    .state,
    .rate {
      padding-inline: 1rem;
    }
  }
  @container (width < 30rem) {
    .state {
      display: grid;
    }
  }
  @container (width < 20rem) {
    dl {
      grid-template-columns: minmax(0, 1fr);
    }
  }
  @media (forced-colors: active) {
    .card.failed .badge::before {
      border-radius: 0;
    }
    .card.pending .badge::before {
      border: 2px solid CanvasText;
      background: Canvas;
    }
    .card.wants {
      outline: 2px solid Highlight;
      outline-offset: -4px;
    }
  }
`

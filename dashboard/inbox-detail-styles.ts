import { css } from 'lit'

/** How the drawer of an event looks. */
export const detailStyles = css`
  dialog {
    display: none;
    grid-template-rows: auto minmax(0, 1fr) auto auto;
    width: min(44rem, 100vw);
    max-width: none;
    height: 100dvh;
    max-height: none;
    margin: 0 0 0 auto;
    padding: 0;
    border-width: 0 0 0 1px;
    border-radius: 0;
  }
  dialog[open] {
    display: grid;
  }
  header,
  footer {
    display: flex;
    flex-wrap: wrap;
    align-items: center;
    gap: 0.5rem;
    padding: 0.8rem 1.25rem;
    border-bottom: 1px solid var(--border);
  }
  footer {
    border-top: 1px solid var(--border);
    border-bottom: 0;
  }
  h2 {
    display: -webkit-box;
    overflow: hidden;
    flex: 1;
    -webkit-box-orient: vertical;
    -webkit-line-clamp: 3;
    margin: 0;
    overflow-wrap: anywhere;
  }
  .space {
    flex: 1;
  }
  .absent {
    visibility: hidden;
  }
  .messages {
    overflow-wrap: anywhere;
  }
  .messages .alert,
  .said {
    margin: 0;
    padding: 0.6rem 1.25rem;
    border: 0;
    border-top: 1px solid var(--border);
    border-radius: 0;
  }
  .body {
    overflow: auto;
    padding: 1rem 1.25rem;
  }
  .body:focus-visible {
    outline-offset: -2px;
  }
  .body > section {
    margin-bottom: 1.25rem;
  }
  dl {
    display: grid;
    grid-template-columns: minmax(0, max-content) minmax(6rem, 1fr);
    gap: 0.3rem 1rem;
    margin: 0 0 1.25rem;
  }
  dt {
    overflow-wrap: anywhere;
    color: var(--quiet);
  }
  dd {
    margin: 0;
    overflow-wrap: anywhere;
  }
  pre {
    overflow: auto;
    max-height: 24rem;
    margin: 0;
    padding: 0.75rem;
    border: 1px solid var(--border);
    border-radius: 0.5rem;
    background: var(--sunken);
    white-space: pre-wrap;
    overflow-wrap: anywhere;
  }
  .heading {
    margin-bottom: 0.4rem;
  }
  .heading h3 {
    flex: 1;
    margin: 0;
  }
  ol {
    margin: 0;
    padding: 0;
    list-style: none;
  }
  ol li {
    position: relative;
    padding: 0 0 0.75rem 1.4rem;
    border-inline-start: 2px solid var(--border);
    margin-inline-start: 0.35rem;
    overflow-wrap: anywhere;
  }
  ol li:last-child {
    border-color: transparent;
    padding-bottom: 0;
  }
  ol li::before {
    position: absolute;
    top: 0.35rem;
    inset-inline-start: -0.4rem;
    width: 0.65rem;
    height: 0.65rem;
    border-radius: 50%;
    background: var(--mark, var(--quiet));
    content: '';
  }
  @media (prefers-reduced-motion: no-preference) {
    dialog[open] {
      animation: come 0.15s ease-out;
    }
    @keyframes come {
      from {
        translate: 2rem;
        opacity: 0;
      }
    }
  }
  @media (width < 30rem) {
    footer {
      display: grid;
      grid-template-columns: 1fr 1fr;
    }
    .space {
      display: none;
    }
    .retry {
      grid-column: 1 / -1;
      order: 1;
    }
  }
  @media print {
    dialog {
      position: static;
      width: auto;
      height: auto;
      border: 0;
    }
    .body,
    pre {
      overflow: visible;
      max-height: none;
    }
  }
`

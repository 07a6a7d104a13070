import { css } from 'lit'

/** How the navigation, the view and the form of the token stand on the page. */
export const shellStyles = css`
  :host {
    container-type: inline-size;
  }
  .frame {
    display: grid;
    grid-template-columns: 12rem minmax(0, 1fr);
    align-items: start;
    gap: 1.5rem;
  }
  .view {
    min-width: 0;
    container-type: inline-size;
  }
  /* Beside the rows, not above them: they would move under the hand. */
  .view > .alert {
    position: fixed;
    z-index: 1;
    inset: auto 1rem 1rem;
    margin: 0;
    box-shadow: 0 0.25rem 1.5rem rgb(0 0 0 / 25%);
  }
  nav {
    position: sticky;
    top: 1rem;
  }
  nav ul {
    display: grid;
    gap: 0.15rem;
    margin: 0 0 1rem;
    padding: 0;
    list-style: none;
  }
  nav a {
    display: flex;
    align-items: center;
    justify-content: space-between;
    gap: 0.5rem;
    padding: 0.4rem 0.75rem;
    border-radius: 0.5rem;
    color: var(--quiet);
    font-weight: 500;
    text-decoration: none;
    white-space: nowrap;
  }
  nav a:hover {
    background: var(--sunken);
    color: var(--text);
  }
  nav a[aria-current] {
    background: color-mix(in srgb, var(--accent) 12%, var(--surface));
    color: var(--accent);
  }
  .session {
    display: grid;
    justify-items: start;
    gap: 0.15rem;
    padding: 0.75rem 0.75rem 0;
    border-top: 1px solid var(--border);
    color: var(--quiet);
    font-size: 0.8125rem;
    font-variant-numeric: tabular-nums;
  }
  .as-of {
    min-height: 1.25rem;
  }
  .who {
    max-width: 100%;
    overflow-wrap: anywhere;
  }
  .session button {
    margin-inline-start: -0.7rem;
    font-size: 0.8125rem;
  }
  .access {
    max-width: 28rem;
    margin: 3rem auto;
  }
  .access form {
    display: grid;
    gap: 0.9rem;
  }
  .access p {
    margin: 0.9rem 0 0;
    font-size: 0.8125rem;
  }
  .access p.alert {
    margin: 0 0 0.9rem;
  }
  .access code {
    overflow-wrap: anywhere;
  }
  @container (width < 62rem) {
    .frame {
      grid-template-columns: minmax(0, 1fr);
      gap: 1rem;
    }
    nav {
      position: static;
      display: flex;
      flex-wrap: wrap;
      justify-content: space-between;
      gap: 0.25rem 1rem;
      border-bottom: 1px solid var(--border);
    }
    nav ul {
      display: flex;
      flex-wrap: wrap;
      margin: 0 0 0.5rem;
    }
    nav a {
      padding-inline: 0.6rem;
    }
    .session {
      display: flex;
      flex-wrap: wrap;
      align-items: center;
      gap: 0.25rem 0.75rem;
      margin-bottom: 0.5rem;
      padding: 0;
      border: 0;
    }
    .session button {
      margin: 0;
    }
  }
  @media (forced-colors: active) {
    nav a[aria-current] {
      background: Highlight;
      color: HighlightText;
      forced-color-adjust: none;
    }
  }
  @media print {
    .frame {
      display: block;
    }
    nav ul,
    .who {
      display: none;
    }
  }
`

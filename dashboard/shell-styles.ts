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
    gap: 1rem 1.5rem;
  }
  .frame:has(~ .messages :is(.alert, .said)) {
    --room: 16rem;
  }
  .side {
    position: sticky;
    top: 1rem;
    display: grid;
    gap: 1rem;
  }
  .view:focus {
    outline: none;
  }
  .view {
    min-width: 0;
    container-type: inline-size;
  }
  /*
   * Below all else, where it moves no row, and always in sight. At the end of the page there is room for it, so that
   * it covers nothing there.
   */
  .messages {
    position: sticky;
    z-index: 2;
    bottom: 1rem;
    display: grid;
    justify-items: center;
    gap: 0.5rem;
    overflow: auto;
    min-height: 3.5rem;
    max-height: 14rem;
    padding: 1rem 0 0;
    pointer-events: none;
  }
  .messages .alert,
  .said {
    max-width: 48rem;
    margin: 0;
    border-radius: 0.6rem;
    box-shadow: 0 0.25rem 1.5rem rgb(10 14 22 / 22%);
    pointer-events: auto;
  }
  .said {
    padding: 0.5rem 1rem;
    border: 1px solid transparent;
    background: var(--text);
    color: var(--surface);
    overflow-wrap: anywhere;
  }
  .said a {
    color: inherit;
  }
  /* What was done goes by itself, so that it does not stay in the way; what failed does not. */
  .said:not(:has(a), :hover) {
    animation: leave 0s 10s both;
  }
  @keyframes leave {
    to {
      visibility: hidden;
    }
  }
  nav ul {
    display: grid;
    gap: 0.15rem;
    margin: 0;
    padding: 0;
    list-style: none;
  }
  nav a {
    display: flex;
    align-items: center;
    gap: 0.6rem;
    padding: 0.4rem 0.75rem;
    border-radius: 0.5rem;
    color: var(--quiet);
    font-weight: 500;
    text-decoration: none;
    white-space: nowrap;
  }
  nav .count {
    margin-inline-start: auto;
  }
  .icon {
    flex: none;
    width: 1.15rem;
    height: 1.15rem;
    fill: none;
    stroke: currentColor;
    stroke-linecap: round;
    stroke-linejoin: round;
    stroke-width: 1.5;
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
    }
    .side {
      display: contents;
    }
    /* What stands below does not move once there is something to show. */
    .view {
      min-height: 100vh;
    }
    .as-of {
      min-width: 6.5rem;
    }
    .session {
      order: 1;
    }
    nav {
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
    nav .count {
      margin: 0;
    }
    .session {
      display: flex;
      flex-wrap: wrap;
      align-items: center;
      gap: 0.25rem 0.75rem;
      padding: 0.5rem 0.6rem 0;
    }
    .session button {
      margin: 0;
    }
  }
  /* A number that grows must not break the line, and push the rows down. */
  @container (width < 50rem) {
    nav .count {
      display: none;
    }
  }
  @container (width < 40rem) {
    nav a {
      gap: 0.4rem;
      padding: 0.3rem 0.5rem;
      font-size: 0.875rem;
    }
    .icon {
      display: none;
    }
  }
  @media (forced-colors: active) {
    .said {
      border-color: CanvasText;
    }
    nav a[aria-current] {
      background: Highlight;
      color: HighlightText;
      forced-color-adjust: none;
    }
  }
  @media print {
    .messages {
      position: static;
    }
    .frame {
      display: block;
    }
    nav ul,
    .who {
      display: none;
    }
  }
`

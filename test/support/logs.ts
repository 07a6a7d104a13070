interface Logged {
  getLogs(): { message: string }[]
}

/** Lines of the log, as objects. */
export function logLines(server: Logged): Record<string, unknown>[] {
  return server
    .getLogs()
    .flatMap(({ message }) => (message.startsWith('{') ? [JSON.parse(message)] : []))
}

/** Those with this message. */
export function logged(server: Logged, message: string): Record<string, unknown>[] {
  return logLines(server).filter((line) => line.message === message)
}

/** All that was written to it, also what is no line of its own. */
export function logText(server: Logged): string {
  return server
    .getLogs()
    .map(({ message }) => message)
    .join('\n')
}

/** Makes a UUID v7 (RFC 9562 §5.7). `crypto.randomUUID` is not there in pages that came without TLS. */
export function newId(): string {
  const time = Date.now().toString(16).padStart(12, '0')
  const bytes = crypto.getRandomValues(new Uint8Array(9))
  const random = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
  const [a, b, c] = [random.slice(0, 3), random.slice(3, 6), random.slice(6)]
  return `${time.slice(0, 8)}-${time.slice(8)}-7${a}-8${b}-${c}`
}

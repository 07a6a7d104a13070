/** Hashes text by FNV-1a, 32 bits. It is quick and spreads evenly, but anybody can find collisions. */
export function fnv1a(text: string): number {
  let hash = 0x811c9dc5
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193)
  return hash >>> 0
}

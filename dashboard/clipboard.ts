/** Puts text into the clipboard. @returns whether the browser let it, which it does on HTTPS and localhost only */
export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text)
    return true
  } catch {
    return false
  }
}

// Putting a text on the clipboard from a page.

/** Rejects when the page is not let to. */
export async function copyText(text: string): Promise<void> {
  // Browsers offer the clipboard to HTTPS and loopback pages only; a headless machine is often called by plain HTTP.
  if (navigator.clipboard) {
    await navigator.clipboard.writeText(text)
    return
  }
  const area = document.createElement('textarea')
  area.value = text
  area.setAttribute('readonly', '')
  area.style.position = 'fixed'
  area.style.opacity = '0'
  const focused = document.activeElement
  document.body.append(area)
  area.select()
  const copied = document.execCommand('copy')
  area.remove()
  if (focused instanceof HTMLElement) focused.focus()
  if (!copied) throw new Error('The page may not use the clipboard.')
}

// Draws every icon of the repository's icons/ from its SVG sources: `npm run icons` in ui/.
//
// The tray's sources leave their colours open (`currentColor` and `var(--…)`), because the window draws the same
// files inline with its own colours. Here they are filled in for a light and for a dark panel.
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { Resvg } from '@resvg/resvg-js'
import png2icons from 'png2icons'

const icons = new URL('../../icons/', import.meta.url)
const source = (name) => readFileSync(new URL(name, icons), 'utf8')
const save = (name, bytes) => {
  writeFileSync(new URL(name, icons), bytes)
  console.log(`${fileURLToPath(new URL(name, icons))} ${bytes.length}`)
}
const render = (svg, width) => new Resvg(svg, { fitTo: { mode: 'width', value: width } }).render().asPng()

const app = source('icon.svg')
save('icon.png', render(app, 512))
save('128x128.png', render(app, 128))
save('128x128@2x.png', render(app, 256))
save('32x32.png', render(app, 32))
const large = Buffer.from(render(app, 1024))
save('icon.ico', png2icons.createICO(large, png2icons.BICUBIC2, 0, false, true))
save('icon.icns', png2icons.createICNS(large, png2icons.BICUBIC2, 0))

/** Tray panels scale by whole and half steps: 44 px serves 22 px at twice the density. */
const TRAY = 44
const panels = {
  light: { currentColor: '#3a3f47', 'var(--flame)': '#d95f02', 'var(--hosted)': '#1f6fd6', 'var(--trouble)': '#c8202f' },
  dark: { currentColor: '#e8eaed', 'var(--flame)': '#ffa53a', 'var(--hosted)': '#74b4ff', 'var(--trouble)': '#ff6b6b' },
}
for (const state of ['warm', 'loading', 'hosted', 'trouble', 'stopped']) {
  for (const [panel, colours] of Object.entries(panels)) {
    let svg = source(`tray/${state}.svg`)
    for (const [open, colour] of Object.entries(colours)) svg = svg.replaceAll(open, colour)
    save(`tray/${state}-on-${panel}.png`, render(svg, TRAY))
  }
}

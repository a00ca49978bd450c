// Keeps a copy of the built script at an address that never changes, and prints the tag that pins it.
import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'

const directory = new URL('../recomengine/static/sdk/v1/', import.meta.url)
const script = readFileSync(new URL('recom.js', directory))
const name = `recom-${createHash('sha256').update(script).digest('hex').slice(0, 12)}.js`
const integrity = `sha384-${createHash('sha384').update(script).digest('base64')}`

writeFileSync(new URL(name, directory), script)
console.log(`<script async src="https://YOUR-API/sdk/v1/${name}" data-key="rec_pub_…"`)
console.log(`  integrity="${integrity}" crossorigin="anonymous"></script>`)

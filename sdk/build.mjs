// Builds the files that are committed and served; `node build.mjs test` builds the tests for Node instead.
import { execFileSync } from 'node:child_process'
import { copyFileSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

process.chdir(fileURLToPath(new URL('.', import.meta.url)))
const OUT = '../recomengine/static/sdk/v1'
const common = { bundle: true, minify: true, target: 'es2020', charset: 'utf8', logLevel: 'warning' }

async function buildTests() {
  rmSync('.tests', { recursive: true, force: true })
  const entryPoints = readdirSync('test').filter((name) => name.endsWith('.test.ts')).map((name) => `test/${name}`)
  await build({ ...common, minify: false, entryPoints, outdir: '.tests', outExtension: { '.js': '.mjs' }, platform: 'node', format: 'esm' })
}

async function buildFiles() {
  await build({ ...common, entryPoints: ['src/browser.ts'], outfile: `${OUT}/recom.js`, format: 'iife' })
  await build({ ...common, entryPoints: ['src/recom.ts'], outfile: `${OUT}/recom.mjs`, format: 'esm' })
  execFileSync('node_modules/.bin/tsc', ['--project', 'tsconfig.types.json'], { stdio: 'inherit' })
  const types = readFileSync('.types/recom.d.ts', 'utf8')
  if (/\bfrom ['"]\.|import\(/.test(types)) throw new Error('recom.d.ts must stand alone: declare what is public in src/recom.ts')
  copyFileSync('.types/recom.d.ts', `${OUT}/recom.d.ts`)
}

await (process.argv[2] === 'test' ? buildTests() : buildFiles())

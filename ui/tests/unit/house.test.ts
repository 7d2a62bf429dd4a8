// @vitest-environment node
// Rules of the house that concern the UI.
import { readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const UI = fileURLToPath(new URL('../../', import.meta.url))

function files(folder: string): string[] {
  return readdirSync(join(UI, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
}

test('one file alone imports Tauri', () => {
  const importing = files('src').filter((file) => /(from|import)\s*\(?\s*['"]@tauri-apps\//.test(readFileSync(file, 'utf8')))
  expect(importing.map((file) => relative(UI, file))).toEqual(['src/lib/backend/tauri.ts'])
})

test('the lock file pins every package by its hash and names no registry', () => {
  const lock = JSON.parse(readFileSync(join(UI, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { resolved?: string; integrity?: string }>
  }
  const packages = Object.entries(lock.packages).filter(([path]) => path !== '')
  expect(packages.length).toBeGreaterThan(50)
  expect(packages.filter(([, one]) => one.resolved !== undefined)).toEqual([])
  expect(packages.filter(([, one]) => !one.integrity?.startsWith('sha512-')).map(([path]) => path)).toEqual([])
})

test('dependencies are pinned to one version', () => {
  const manifest = JSON.parse(readFileSync(join(UI, 'package.json'), 'utf8')) as Record<string, Record<string, string>>
  const versions = Object.values({ ...manifest.dependencies, ...manifest.devDependencies })
  expect(versions.filter((version) => !/^\d+\.\d+\.\d+$/.test(version))).toEqual([])
})

import { defineConfig } from 'tsup';

export default defineConfig({
  // update.js is for the benchmark.
  entry: ['src/cli.ts', 'src/update.ts'],
  format: ['esm'],
  platform: 'node',
  target: 'node20',
  // cli-kit is private and part of the program. The addons stay outside: they find their binaries by
  // their own place.
  noExternal: ['@dbd/cli-kit'],
  external: ['@dbd/ioctl', '@dbd/cow-format', '@dbd/cow-format/node'],
  banner: { js: '#!/usr/bin/env node' },
  // What a command needs is loaded when it runs.
  splitting: true,
  minifySyntax: true,
  clean: true,
});

import { defineConfig } from 'tsup';

export default defineConfig({
  entry: ['src/cli.ts'],
  format: ['esm'],
  platform: 'node',
  target: 'node20',
  // yargs in one file starts faster than yargs in forty. The addon stays outside: it finds its
  // binary by its own place.
  noExternal: ['yargs'],
  external: ['@dbd/ioctl', '@dbd/cow-format', '@dbd/cow-format/node'],
  banner: { js: '#!/usr/bin/env node' },
  minifySyntax: true,
  clean: true,
});

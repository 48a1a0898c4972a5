import { defineConfig } from 'tsup';

export default defineConfig({
  entry: ['src/index.ts', 'src/testing.ts'],
  format: ['esm', 'cjs'],
  dts: { compilerOptions: { ignoreDeprecations: '6.0' } },
  platform: 'node',
  target: 'node20',
  // import.meta.url in CommonJS.
  shims: true,
  // In CommonJS too the error classes are one and the same for both entries.
  splitting: true,
  sourcemap: true,
  clean: true,
});

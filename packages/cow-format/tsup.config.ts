import { defineConfig } from 'tsup';

export default defineConfig({
  entry: ['src/index.ts', 'src/node.ts'],
  format: ['esm', 'cjs'],
  dts: { compilerOptions: { ignoreDeprecations: '6.0' } },
  platform: 'neutral',
  target: 'es2022',
  // In CommonJS too the error class is one and the same for both entries.
  splitting: true,
  sourcemap: true,
  clean: true,
});

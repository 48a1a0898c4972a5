import { expect, it } from 'vitest';
import { checkConfig } from '../src/kernel-build.js';

it('notices an option that was lost, changed, or could not be turned off', () => {
  const config = 'CONFIG_A=y\nCONFIG_B=m\n# CONFIG_C is not set\n';
  expect(() =>
    checkConfig(config, [
      'CONFIG_A=y',
      'CONFIG_B=m',
      '# CONFIG_C is not set',
      '# CONFIG_D is not set',
    ]),
  ).not.toThrow();
  expect(() => checkConfig(config, ['CONFIG_B=y'])).toThrow('CONFIG_B=y');
  expect(() => checkConfig(config, ['CONFIG_D=y'])).toThrow('CONFIG_D=y');
  expect(() => checkConfig(config, ['# CONFIG_A is not set'])).toThrow('CONFIG_A');
});

import { expect, it } from 'vitest';
import { checkRepository, repositoryOf } from '../src/repository.js';

const env = { GITHUB_SERVER_URL: 'https://forge.example', GITHUB_REPOSITORY: 'ann/dbd' };

it('names the directory of each package', () => {
  expect(repositoryOf('ctl', 'https://forge.example/ann/dbd')).toEqual({
    type: 'git',
    url: 'git+https://forge.example/ann/dbd.git',
    directory: 'packages/ctl',
  });
});

it("takes the pipeline's own", () => {
  const own = repositoryOf('ctl', 'https://forge.example/ann/dbd');
  expect(() => checkRepository(own, env)).not.toThrow();
});

it.each([
  ['a placeholder', repositoryOf('ctl', 'https://github.com/OWNER/dbd'), env],
  ['another', repositoryOf('ctl', 'https://forge.example/bob/dbd'), env],
  ['none', undefined, env],
  ['what is released by hand', repositoryOf('ctl', 'https://forge.example/ann/dbd'), {}],
  [
    'a placeholder in a repository of its name',
    repositoryOf('ctl', 'https://github.com/OWNER/dbd'),
    { GITHUB_SERVER_URL: 'https://github.com', GITHUB_REPOSITORY: 'OWNER/dbd' },
  ],
])('releases nothing of %s', (_, repository, where) => {
  expect(() => checkRepository(repository, where)).toThrow(
    'set REPOSITORY in tools/package/src/repository.ts',
  );
});

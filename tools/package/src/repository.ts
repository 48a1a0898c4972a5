const PLACEHOLDER = 'https://github.com/OWNER/dbd';

/** Where the sources are, as npm's packages name it. To be set before the first release. */
export const REPOSITORY: string = PLACEHOLDER;

/** The field `repository` of a package's manifest. */
export interface Repository {
  readonly type: string;
  readonly url: string;
  readonly directory: string;
}

export function repositoryOf(name: string, repository = REPOSITORY): Repository {
  return { type: 'git', url: `git+${repository}.git`, directory: `packages/${name}` };
}

/** Throws unless a manifest names the repository of the pipeline: npm takes no provenance for another (E422). */
export function checkRepository(
  found: Partial<Repository> | undefined,
  { GITHUB_SERVER_URL, GITHUB_REPOSITORY }: NodeJS.ProcessEnv,
): void {
  const here = `${GITHUB_SERVER_URL}/${GITHUB_REPOSITORY}`;
  if (here !== PLACEHOLDER && found?.url === `git+${here}.git`) return;
  throw new Error(
    `the packages' repository is "${found?.url}", and this pipeline is of "${here}": set REPOSITORY in tools/package/src/repository.ts to that, and build the packages again`,
  );
}

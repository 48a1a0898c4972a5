const PLACEHOLDER = 'the dbd authors <dbd@users.noreply.github.com>';

/** Whom the system packages name as their maintainer: NAME <ADDRESS>. To be set before the first release. */
export const MAINTAINER: string = PLACEHOLDER;

/** Throws unless mail to this maintainer reaches somebody. */
export function checkMaintainer(maintainer: string): void {
  if (maintainer === PLACEHOLDER || !/^[^<>]+ <[^<>@\s]+@[^<>@\s]+\.[^<>@\s]+>$/.test(maintainer)) {
    throw new Error(
      `the packages' maintainer is "${maintainer}": set MAINTAINER in tools/package/src/maintainer.ts to NAME <ADDRESS> of who answers for this release, and build the packages again`,
    );
  }
}

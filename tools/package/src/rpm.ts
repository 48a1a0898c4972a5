/** Packages for rpm, of the same trees as Debian's, from one spec. */
import { copyFileSync, mkdirSync, readdirSync, utimesSync } from 'node:fs';
import { basename, join } from 'node:path';
import { ARCHES } from './arch.js';
import { FILES, layDkms, layUtils } from './layout.js';
import { MAINTAINER } from './maintainer.js';
import type { Release } from './release.js';
import { run } from './run.js';

export function buildRpms(release: Release, work: string): void {
  const dkms = join(work, 'rpm-dkms');
  layDkms(release, dkms);
  for (const arch of ARCHES) {
    const utils = join(work, `rpm-utils-${arch.rpm}`);
    layUtils(release, utils, arch, 'rpm');
    for (const tree of [dkms, utils]) settle(tree, release.epoch);
    const top = join(work, `rpm-${arch.rpm}`);
    mkdirSync(top);
    const macros = {
      _topdir: top,
      _dbpath: join(top, 'db'),
      _buildhost: 'reproducible',
      packager: MAINTAINER,
      use_source_date_epoch_as_buildtime: '1',
      clamp_mtime_to_source_date_epoch: '1',
      _binary_payload: 'w9.gzdio',
      release_version: release.version,
      // 1.0.0-rc.1 comes before 1.0.0.
      rpm_version: release.version.replace('-', '~'),
      dkms_tree: dkms,
      utils_tree: utils,
    };
    const defined = Object.entries(macros).flatMap(([name, value]) => [
      '--define',
      `${name} ${value}`,
    ]);
    const spec = join(FILES, 'dattobd.spec');
    run('rpmbuild', ['-bb', '--quiet', '--nodeps', `--target=${arch.rpm}`, ...defined, spec]);
    for (const file of readdirSync(join(top, 'RPMS'), { recursive: true, encoding: 'utf8' })) {
      if (!file.endsWith('.rpm')) continue;
      copyFileSync(join(top, 'RPMS', file), join(release.out, basename(file)));
    }
  }
}

/** Directories have a time too, which rpm does not clamp. */
function settle(tree: string, epoch: number): void {
  for (const entry of readdirSync(tree, { recursive: true, withFileTypes: true })) {
    if (entry.isDirectory()) utimesSync(join(entry.parentPath, entry.name), epoch, epoch);
  }
}

import { join } from 'node:path';
import { expect, it } from 'vitest';
import { STATE_DIRECTORY, stateFiles } from '../src/state-files.js';

const journal = (
  kind: 'file' | 'block device',
  path: string,
  { given = path, directory, id }: { given?: string; directory?: string; id?: string } = {},
) => stateFiles({ path, kind, id }, given, directory).journal;

it('are beside an image file, and elsewhere have its whole path', () => {
  expect(journal('file', '/b/x.img')).toBe('/b/x.img.journal');
  expect(journal('file', '/b/x.img', { directory: '/s' })).toBe('/s/b-x.img.journal');
});

it('of a device have what it says of itself, by whatever name it was given', () => {
  const id = 'dm/uuid LVM-ab c';
  const names = ['/dev/vg/lv', '/dev/mapper/vg-lv', 'vg/lv'].map((given) =>
    journal('block device', '/dev/dm-1', { given, id }),
  );
  expect(new Set(names)).toEqual(new Set([`${STATE_DIRECTORY}/dm%2Fuuid=LVM%2Dab=c.journal`]));
});

it('of a device that says nothing have the path that was given, absolute', () => {
  const given = join(process.cwd(), 'sdc1');
  expect(journal('block device', '/dev/sdc1')).toBe(`${STATE_DIRECTORY}/dev-sdc1.journal`);
  expect(journal('block device', '/dev/x', { given: 'sdc1' })).toBe(
    journal('block device', '/dev/x', { given }),
  );
});

it('have a name that a file system takes, and still their own', () => {
  const long = (last: string) => `/${'\u0444'.repeat(100)}/${last}`;
  const [a, b] = ['a', 'b'].map((last) => journal('file', long(last), { directory: '/s' }));
  expect(a).not.toBe(b);
  expect((a as string).length).toBeLessThan(220);
});

it('are never the same for two images', () => {
  const paths = ['/dev/vg/a-b', '/dev/vg-a/b', '/dev/vg/a/b', '/dev/vg/a%2Db', '/a=b', '/a b'];
  const ids = ['a b', 'a=b', 'a-b', 'a%20b', '/dev/vg/a-b'].map((text) => `serial ${text}`);
  const all = [
    ...paths.map((path) => journal('block device', path)),
    ...ids.map((id) => journal('block device', '/dev/sda', { id })),
  ];
  expect(new Set(all).size).toBe(all.length);
});

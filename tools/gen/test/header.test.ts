import { describe, expect, it } from 'vitest';
import { parseHeader } from '../src/header.js';

describe('parseHeader', () => {
  it('lays structs out as C does on LP64', () => {
    const { structs, ioctls, constants } = parseHeader(`
#ifndef H
#define H
#include <linux/types.h>
/* comment with struct x { */
#define MAGIC 0x91
#define LENGTH 3
#define BIT (1 << 4)
#define NAME "text"
struct a {
	char *p;
	unsigned int n;
	char bytes[LENGTH];
	unsigned long long big;
	int last;
};
#define IOCTL_A _IOWR(MAGIC, 5, struct a)
#define IOCTL_B \\
	_IOR(MAGIC, 6, int)
#define IOCTL_C _IO(MAGIC, 0x40)
#endif
`);
    expect(structs.get('a')).toEqual({
      size: 32,
      align: 8,
      fields: [
        { name: 'p', offset: 0, size: 8 },
        { name: 'n', offset: 8, size: 4 },
        { name: 'bytes', offset: 12, size: 3 },
        { name: 'big', offset: 16, size: 8 },
        { name: 'last', offset: 24, size: 4 },
      ],
    });
    expect([...constants]).toEqual([
      ['MAGIC', 0x91],
      ['LENGTH', 3],
      ['BIT', 16],
      ['NAME', 'text'],
    ]);
    expect([...ioctls]).toEqual([
      ['IOCTL_A', 0xc0209105],
      ['IOCTL_B', 0x80049106],
      ['IOCTL_C', 0x9140],
    ]);
  });

  it.each([
    ['struct a {\n\tstruct b inner;\n};', /unknown type struct b|not understood/],
    ['struct a {\n\tint x : 3;\n};', /not understood/],
    ['struct a {\n\tint x[UNKNOWN];\n};', /UNKNOWN is not known/],
    ['typedef int x;', /not understood: typedef/],
    ['#define X (Y + 1)', /value not understood/],
    ['#define IOCTL_X _IOW(M, 1, struct none)', /ioctl not understood/],
    ['#define IOCTL_X _IOW(M, 1)', /ioctl not understood/],
  ])('refuses what it does not know: %j', (source, message) => {
    expect(() => parseHeader(source)).toThrowError(message);
  });
});

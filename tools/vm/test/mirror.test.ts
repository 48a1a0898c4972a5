import { describe, expect, it } from 'vitest';
import { parseDeb822, parseOneLine } from '../src/mirror.js';

describe('apt sources', () => {
  it('one line each', () => {
    const text =
      '# deb http://a.example/ off main\ndeb [arch=amd64 signed-by=/k] http://b.example/debian sid main\n';
    expect(parseOneLine(text)).toEqual([{ uris: ['http://b.example/debian'], suites: ['sid'] }]);
  });

  it('in stanzas, the switched off ones left out', () => {
    const text = [
      'Types: deb deb-src',
      '# a comment',
      'URIs: http://c.example/debian',
      'Suites: sid',
      ' sid-updates',
      '',
      'Types: deb',
      'Enabled: no',
      'URIs: http://d.example/debian',
      'Suites: sid',
    ].join('\n');
    const found = parseDeb822(text);
    expect(found).toHaveLength(1);
    expect(found[0]).toMatchObject({
      uris: ['http://c.example/debian'],
      suites: ['sid', 'sid-updates'],
    });
  });
});

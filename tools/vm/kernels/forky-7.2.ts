import { defineKernel } from '../src/kernel.js';

export default defineKernel({
  suite: 'forky',
  packages: ['linux-image-amd64', 'linux-headers-amd64', 'perl'],
  version: /^7\.2\..*-amd64$/,
});

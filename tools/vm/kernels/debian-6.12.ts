import { defineKernel } from '../src/kernel.js';

export default defineKernel({
  suite: 'trixie',
  packages: ['linux-image-amd64', 'linux-headers-amd64'],
  version: /^6\.12\..*-amd64$/,
});

import { defineKernel } from '../src/kernel.js';

export default defineKernel({
  suite: 'bookworm',
  packages: ['linux-image-amd64', 'linux-headers-amd64'],
  version: /^6\.1\..*-amd64$/,
});

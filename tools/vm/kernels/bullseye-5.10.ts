import { defineKernel } from '../src/kernel.js';

export default defineKernel({
  suite: 'bullseye',
  packages: ['linux-image-amd64', 'linux-headers-amd64'],
  version: /^5\.10\..*-amd64$/,
});

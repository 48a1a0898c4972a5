import { defineKernel } from '../src/kernel.js';

export default defineKernel({
  suite: 'trixie',
  // perl: this kernel's kernel-doc, which a W=1 build runs, needs more than perl-base.
  packages: ['linux-image-amd64', 'linux-headers-amd64', 'perl'],
  version: /^6\.12\..*-amd64$/,
});

#!/usr/bin/env node
// Committed, so that npm can link it before dist/ is built.
import '../dist/cli.js';

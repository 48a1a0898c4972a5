export { completeInBash, completeInFish, completeInZsh, lintManual } from './external.js';
export { capture, type Result, type World } from './world.js';

/**
 * What has to be undone however the process ends: at the end, on a signal, on a crash.
 * SIGKILL cannot be caught; for that, QEMU is started with a parent-death signal and stale
 * run directories are removed by the next run.
 */
type Undo = () => void;

const undos = new Set<Undo>();
let installed = false;

/** Registers a synchronous undo; the returned function forgets it. */
export function onCleanup(undo: Undo): () => void {
  install();
  undos.add(undo);
  return () => {
    undos.delete(undo);
  };
}

function runAll(): void {
  for (const undo of [...undos].reverse()) {
    undos.delete(undo);
    try {
      undo();
    } catch (error) {
      console.error(`clean-up: ${String(error)}`);
    }
  }
}

function install(): void {
  if (installed) return;
  installed = true;
  process.on('exit', runAll);
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const) {
    process.on(signal, () => {
      runAll();
      process.exit(code);
    });
  }
}

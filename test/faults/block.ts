/**
 * Preloaded into one process of a fault scene (`--import`): at SIGUSR2 its event loop stands still for FAULTS_BLOCK_MS,
 * as under a computation that somebody forgot to part. Never part of the product.
 */
const blockMs = Number(process.env['FAULTS_BLOCK_MS'] ?? 0);
const nobody = new Int32Array(new SharedArrayBuffer(4));

process.on('SIGUSR2', () => {
  Atomics.wait(nobody, 0, 0, blockMs);
});

export {};

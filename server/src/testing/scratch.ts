// Where tests keep databases: in memory where there is plenty, since making a cluster is a thousand small files. What a killed process
// has written is safe there, too; only a power cut would tell the difference.

import { statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';

const PLENTY_BYTES = 4 * 1024 ** 3;

export function scratchRoot(): string {
  try {
    const { bavail, bsize } = statfsSync('/dev/shm');
    return bavail * bsize >= PLENTY_BYTES ? '/dev/shm' : tmpdir();
  } catch {
    return tmpdir();
  }
}

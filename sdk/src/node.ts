// The entry that Node takes: the same names, and a program that comes to its end sends what still waits.

import { delay } from './http.ts';
import { unsent } from './queue.ts';

export * from './index.ts';
export { default } from './index.ts';

/** A server that cannot be reached does not hold a program up for ever. */
const ATTEMPTS = 3;
let failures = 0;

async function sendRest(): Promise<void> {
  while (unsent.size > 0 && failures < ATTEMPTS) {
    const outcomes = await Promise.allSettled([...unsent].map((flush) => flush()));
    const failed = outcomes.find((outcome) => outcome.status === 'rejected');
    if (!failed) return;
    failures++;
    if (failures < ATTEMPTS) await delay(500 * failures);
    // eslint-disable-next-line no-console -- what is lost is never lost silently
    else console.warn('Grandstand: what was tracked could not be sent before the program ended.', failed.reason);
  }
}

// Asked whenever nothing is left to do, and so again after what this does.
process.on('beforeExit', () => void sendRest());

// A stop that ends: each part gets its time, and what does not end by then is left behind.

/** Resolves with the work, or after so long without it; then `giveUp` may free what others wait for. */
export async function within(ms: number, work: Promise<unknown>, giveUp: () => void = () => {}): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(() => {
      giveUp();
      resolve();
    }, ms);
  });
  try {
    await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
    work.catch(() => {}); // of what was given up no one hears any more
  }
}

// Random numbers that a seed decides: the same on every machine.

export interface Random {
  /** 0 ≤ x < 1. */
  next(): number;
  /** 0 ≤ n < below. */
  int(below: number): number;
  pick<T>(list: readonly T[]): T;
  chance(probability: number): boolean;
}

/** The generator sfc32, its state drawn from the seeds by splitmix32. */
export function createRandom(...seeds: number[]): Random {
  let mix = 0x9e3779b9;
  for (const seed of seeds) mix = scramble(mix ^ Math.trunc(seed));
  const draw = (): number => (mix = scramble((mix + 0x9e3779b9) | 0));
  let [a, b, c, counter] = [draw(), draw(), draw(), draw()];
  const next = (): number => {
    const sum = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + sum) | 0;
    return (sum >>> 0) / 2 ** 32;
  };
  for (let i = 0; i < 12; i++) next();
  const int = (below: number): number => Math.floor(next() * below);
  return {
    next,
    int,
    pick<T>(list: readonly T[]): T {
      return list[int(list.length)] as T; // lists here are not empty
    },
    chance: (probability) => next() < probability,
  };
}

function scramble(value: number): number {
  let mixed = value | 0;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x21f0aaad);
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
  return mixed ^ (mixed >>> 15);
}

/** Draws an index by weight. */
export function weighted<T>(choices: readonly (readonly [T, number])[]): (random: Random) => T {
  const total = choices.reduce((sum, [, weight]) => sum + weight, 0);
  return (random) => {
    let left = random.next() * total;
    for (const [choice, weight] of choices) {
      left -= weight;
      if (left < 0) return choice;
    }
    return (choices.at(-1) as readonly [T, number])[0]; // choices are not empty; only rounding leads here
  };
}

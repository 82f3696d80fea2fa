import { getRandomValues } from 'node:crypto';
import { V7Generator } from 'uuidv7';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** As the generator's own source of chance, which draws eight numbers at a time: for many ids that is most of their cost. */
function createRandom(): { nextUint32(): number } {
  const drawn = new Uint32Array(1024);
  let next = drawn.length;
  return {
    nextUint32() {
      if (next === drawn.length) {
        getRandomValues(drawn);
        next = 0;
      }
      return drawn[next++] ?? 0; // there is one at each place below its length
    },
  };
}

const generator = new V7Generator(createRandom());

/** A new id: a UUIDv7, so that rows made together lie together. */
export const newId = (): string => generator.generate().toString();

/** The canonical lower-case form of a UUID, or undefined. */
export const readUuid = (text: string): string | undefined => (UUID.test(text) ? text.toLowerCase() : undefined);

/** What every client takes out of a path before it sends it, percent-encoded or not: nothing may have it for a name. */
export const isReachable = (text: string): boolean => text !== '.' && text !== '..';
export const UNREACHABLE = "'.' and '..' cannot be ids: no URL leads to them.";

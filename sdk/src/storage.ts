// Where a profile's credential is kept between visits. Whatever the browser refuses (private mode, a full disk, storage
// switched off), reading and writing never throw: the next best place takes over, memory at last.

type MaybePromise<T> = T | PromiseLike<T>;

/** A place of the application's own: a cookie, a server session, a file. */
export interface KeyValueStorage {
  get(key: string): MaybePromise<string | null | undefined>;
  set(key: string, value: string): MaybePromise<unknown>;
  remove(key: string): MaybePromise<unknown>;
}

/** The shape of `localStorage`, and of React Native's AsyncStorage. */
export interface ItemStorage {
  getItem(key: string): MaybePromise<string | null | undefined>;
  setItem(key: string, value: string): MaybePromise<unknown>;
  removeItem(key: string): MaybePromise<unknown>;
}

/** `local` (default): until the fan clears it; `session`: the tab; `memory`: the page. */
export type StorageChoice = 'local' | 'session' | 'memory' | KeyValueStorage | ItemStorage;

/** As KeyValueStorage, but never throws; `set` says whether the value outlives the page. */
export interface Store {
  get(key: string): MaybePromise<string | undefined>;
  set(key: string, value: string): MaybePromise<boolean>;
  remove(key: string): MaybePromise<void>;
}

/** Neither a page, nor a worker of one, nor an app: a process that many fans may be served by. */
export const isServer = (): boolean =>
  !globalThis.document && globalThis.navigator?.product !== 'ReactNative' && !('importScripts' in globalThis);

/**
 * By choice, shared by every client of the page, so that two of them agree even where nothing can be stored. Not on a server:
 * there the clients are of different fans.
 */
const memories: Record<string, ItemStorage> = {};

const isPromise = <T>(value: MaybePromise<T>): value is PromiseLike<T> =>
  typeof (value as { then?: unknown } | undefined)?.then === 'function'; // of undefined and null there is none

/** Runs `then` at once on a value, later on a promise: what is stored synchronously is stored before the page is gone. */
export function chain<T, R>(
  start: () => MaybePromise<T>,
  then: (value: T) => MaybePromise<R>,
  otherwise: () => MaybePromise<R>,
): MaybePromise<R> {
  try {
    const value = start();
    return isPromise(value) ? value.then(then, otherwise) : then(value);
  } catch {
    return otherwise();
  }
}

export function openStore(choice: StorageChoice = 'local'): Store {
  const memory = typeof choice === 'string' && !isServer() ? (memories[choice] ??= inMemory()) : inMemory();
  const places: (() => ItemStorage)[] = [...placesOf(choice), () => memory];
  // From the last place backwards: what stands there was refused by those before it, and so is newer than theirs.
  const read = (key: string, i: number): MaybePromise<string | undefined> => {
    const place = places[i];
    const next = (): MaybePromise<string | undefined> => read(key, i - 1);
    return (
      place &&
      chain(
        () => place().getItem(key),
        (value) => (typeof value === 'string' ? value : next()),
        next,
      )
    );
  };
  const write = (key: string, value: string, i: number): MaybePromise<boolean> => {
    const place = places[i];
    if (!place) return false;
    const done = (): MaybePromise<boolean> => place() !== memory;
    return chain(
      () => place().setItem(key, value),
      () => chain(() => remove(key, i + 1), done, done),
      () => write(key, value, i + 1),
    );
  };
  const remove = (key: string, i: number): MaybePromise<void> => {
    const place = places[i];
    const next = (): MaybePromise<void> => remove(key, i + 1);
    return place && chain(() => place().removeItem(key), next, next);
  };
  return {
    get: (key) => read(key, places.length - 1),
    set: (key, value) => write(key, value, 0),
    remove: (key) => remove(key, 0),
  };
}

function inMemory(): ItemStorage {
  const items = new Map<string, string>();
  return {
    getItem: (key) => items.get(key),
    setItem: (key, value) => items.set(key, value),
    removeItem: (key) => items.delete(key),
  };
}

function placesOf(choice: StorageChoice): (() => ItemStorage)[] {
  // Where storage is switched off, reading `localStorage` itself throws: so it is read on each use. Node has one too, of
  // the whole process, which is no place for a fan's credential: hence the question for the document's.
  const local = (): ItemStorage => document.defaultView!.localStorage; // throws where there is no document, which is caught
  const session = (): ItemStorage => document.defaultView!.sessionStorage; // as above
  if (choice === 'local') return [local, session];
  if (choice === 'session') return [session];
  if (choice === 'memory') return [];
  const own: ItemStorage =
    'getItem' in choice
      ? choice
      : {
          getItem: (key) => choice.get(key),
          setItem: (key, value) => choice.set(key, value),
          removeItem: (key) => choice.remove(key),
        };
  return [() => own];
}

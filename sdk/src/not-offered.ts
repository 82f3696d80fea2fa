// What stands for the names of LiveLike's SDKs that are not offered here.

/** A call of what is not offered; `status` and `errorDetail` are what the server answers at its addresses. */
export class NotOfferedError extends Error {
  override name = 'NotOfferedError';
  readonly status = 404;
  readonly code = 'not_offered';
  get errorDetail(): { detail: string; error_code: string } {
    return { detail: this.message, error_code: this.code };
  }
}

/** A call that rejects, whatever it is given. */
export type NotOfferedCall = (...args: unknown[]) => Promise<never>;

/** Makes the calls of a feature, each by its name. */
export function refusing(feature: string): (name: string) => NotOfferedCall {
  const sentence = `${feature} are not part of Grandstand.`;
  return (name) => () => {
    const refused = Promise.reject<never>(new NotOfferedError(sentence));
    // Many of theirs answer nothing, so that no page waits for them: that must not end a program as an unhandled rejection.
    refused.catch(() => {});
    // eslint-disable-next-line no-console -- what is not awaited would be lost
    console.warn(`${name}: ${sentence}`);
    return refused;
  };
}

/** An object of theirs that holds calls: each rejects. */
export function controller(of: string): Record<string, NotOfferedCall> {
  const call = refusing('Controllers of LiveLike');
  return everyName((name) => call(`${of}.${name}`));
}

/** Holds every name, which stands for itself: nothing that is offered takes one of these values. */
export const constants = (): Record<string, string> => everyName((name) => name);

/** Stands for their elements and other classes: it may be extended, and throws where one is made. */
// eslint-disable-next-line @typescript-eslint/no-extraneous-class -- a class, since theirs are extended
export class NotOffered {
  constructor() {
    throw new NotOfferedError('Elements of LiveLike are not part of Grandstand.');
  }
}

const everyName = <T>(make: (name: string) => T): Record<string, T> =>
  new Proxy({} as Record<string, T>, {
    get: (_, name) => (typeof name === 'string' && name !== 'then' ? make(name) : undefined),
  });

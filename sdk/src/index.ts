/**
 * Profiles, activities and groups of a fan, for browsers, React Native and Node.
 *
 * ```js
 * import * as LiveLike from '@grandstand/sdk';
 *
 * const profile = await LiveLike.init({ clientId });
 * LiveLike.track('poll-voted', { data: { poll: 'man-of-the-match' } });
 * ```
 *
 * @packageDocumentation
 */

export * from './names.ts';
export * as default from './names.ts';

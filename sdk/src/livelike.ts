/**
 * For pages that were written for LiveLike's SDKs and name more than profiles: everything of the main entry, and every other name of
 * theirs, so that modules load. Calls of what is not offered reject with a sentence; classes throw it when one is made.
 *
 * ```js
 * import LiveLike, { getMessageList } from '@grandstand/sdk/livelike';
 * ```
 *
 * @packageDocumentation
 */

export * from './livelike-names.ts';
export * as default from './livelike-names.ts';

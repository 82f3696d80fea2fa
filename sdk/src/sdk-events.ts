// The events of LiveLike's SDK, for code that was written for it.

import type { OwnProfile } from './resources.ts';

export const SdkEvent = { INITIALISED: 'INITIALISED' } as const;
export type SdkEvent = keyof typeof SdkEvent;

const listeners = new Set<(profile: OwnProfile) => void>();

/** Calls the listener with the profile whenever `init` has resolved. */
export function addSdkEventListener(_event: SdkEvent, listener: (profile: OwnProfile) => void): void {
  listeners.add(listener);
}

/** Without a listener all of them end. */
export function removeSdkEventListener(_event: SdkEvent, listener?: (profile: OwnProfile) => void): void {
  if (listener) listeners.delete(listener);
  else listeners.clear();
}

/** What one of them throws is that one's own. */
export function announce(profile: OwnProfile): void {
  for (const listener of listeners) {
    try {
      listener(profile);
    } catch (error) {
      setTimeout(() => {
        throw error;
      });
    }
  }
}

export const UserProfileEvent = { BLOCK_PROFILE: 'block-profile', UNBLOCK_PROFILE: 'unblock-profile' } as const;
export type UserProfileEvent = (typeof UserProfileEvent)[keyof typeof UserProfileEvent];

/** Profiles do not block one another here, so the listener is never called. */
export function addUserProfileEventListener(_event: UserProfileEvent, _listener: (event: never) => void): void {
  // Nothing to listen to.
}

export function removeUserProfileEventListener(_event: UserProfileEvent, _listener?: (event: never) => void): void {
  // Nothing was listened to.
}

// Who may have how many event streams open, in this process. Each address, profile and application has its own limit; and
// a full server is shared: an application that has fewer streams than another gets a place from the one that has most,
// whose oldest stream ends, so that none ever keeps the fans of another out.

import type { StreamLimits } from '../config.ts';
import { ApiError } from '../errors.ts';

export interface StreamOwner {
  clientId: string;
  profileId: string;
  address: string;
}

export interface StreamPlaces {
  /** Takes a place, or throws 429; `end` is called where another application needs it. Returns what gives it back. */
  take(owner: StreamOwner, end: () => void): () => void;
}

const RETRY_AFTER = 30;

interface Place {
  owner: StreamOwner;
  end(): void;
}

export function createStreamPlaces(limits: StreamLimits): StreamPlaces {
  const byAddress = createCounts(limits.perAddress, 'from this address');
  const byProfile = createCounts(limits.perProfile, 'of this profile');
  const byApplication = createCounts(limits.perApplication, 'in this application');
  /** In the order in which they were taken. */
  const places = new Set<Place>();

  const give = (place: Place): void => {
    if (!places.delete(place)) return;
    byAddress.remove(place.owner.address);
    byProfile.remove(place.owner.profileId);
    byApplication.remove(place.owner.clientId);
  };
  /** Where all are taken: one of the application that has most, unless it would then have less than who asks. */
  const makeRoom = (clientId: string): void => {
    if (limits.total === 0 || places.size < limits.total) return;
    const [largest, most] = byApplication.largest();
    if (most <= byApplication.of(clientId) + 1)
      throw throttled('The server is full: its streams are shared by the applications, and this one has its share.');
    for (const place of places) {
      if (place.owner.clientId !== largest) continue;
      give(place);
      return place.end();
    }
  };

  return {
    take(owner, end) {
      byAddress.check(owner.address);
      byProfile.check(owner.profileId);
      byApplication.check(owner.clientId);
      makeRoom(owner.clientId);
      const place = { owner, end };
      places.add(place);
      byAddress.add(owner.address);
      byProfile.add(owner.profileId);
      byApplication.add(owner.clientId);
      return () => give(place);
    },
  };
}

interface Counts {
  of(key: string): number;
  check(key: string): void;
  add(key: string): void;
  remove(key: string): void;
  largest(): [key: string, count: number];
}

function createCounts(max: number, whose: string): Counts {
  const counts = new Map<string, number>();
  const of = (key: string): number => counts.get(key) ?? 0;
  return {
    of,
    check(key) {
      if (max > 0 && of(key) >= max) throw throttled(`There are ${max} streams open ${whose} already.`);
    },
    add: (key) => void counts.set(key, of(key) + 1),
    remove(key) {
      if (of(key) > 1) counts.set(key, of(key) - 1);
      else counts.delete(key);
    },
    largest: () => [...counts].reduce((most, each) => (each[1] > most[1] ? each : most), ['', 0]),
  };
}

const throttled = (detail: string): ApiError => new ApiError('throttled', { detail, retryAfter: RETRY_AFTER });

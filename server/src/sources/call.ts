// What a source's call asks for, whatever form it came in: an activity, changes of a profile, two identities that are one.
// segment.ts and livelike.ts read theirs into it; take.ts does it.

import { sentencesOf, type FieldErrors } from '../errors.ts';
import type { Instant } from '../instant.ts';
import type { SourceItem } from './source.ts';

export type Attributes = { set: { key: string; value: string }[]; remove: string[] };

/** Whose call it is. One of the two at least. */
export interface Subject {
  customId?: string;
  /** The id of the profile, where there is no custom id or beside it: of an anonymous fan, or as the source knows it. */
  profileId?: string;
}

export interface NewActivity {
  id: string;
  type: string;
  at: Instant;
  value?: number;
  data?: Record<string, unknown>;
}

export interface Call {
  /** For whoever looks for a mistake. */
  call: string;
  name: string | null;
  item: unknown;
  subject: Subject | undefined;
  activity?: NewActivity;
  /** Its two ids are to be those of one fan. */
  unites?: boolean;
  /** The custom id under which the fan was known before. */
  previousCustomId?: string;
  attributes?: Attributes;
  nickname?: string;
  /** Only where the profile is new. */
  firstNickname?: string;
  /** An audience of Segment that the fan enters or leaves. */
  audience?: { id: string; name: string; enters: boolean };
  problems: CallProblem[];
}

export interface CallProblem {
  outcome: Exclude<SourceItem['outcome'], 'taken'>;
  reason: string;
}

/** By the names of the sender where there are some. */
const SENT_AS: Record<string, string> = { occurred_at: 'timestamp', data: 'properties', id: 'messageId' };

export const explain = (errors: FieldErrors): string =>
  sentencesOf(errors, (field) => field.replace(/^[^.[]+/, (name) => SENT_AS[name] ?? name)).join(' ');

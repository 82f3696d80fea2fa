// What services take first: everything that a request needs and nothing that it must make itself.

import type { Logger } from 'pino';
import type { Applications } from './applications/application-service.ts';
import type { Catalogues } from './attributes/catalogues.ts';
import type { Clock } from './clock.ts';
import type { Config } from './config.ts';
import type { Credential } from './credential.ts';
import type { Database } from './database/database.ts';
import type { Neighbours } from './database/gate.ts';
import type { ProfileTokens } from './credentials/token.ts';
import type { DynamicGroups } from './groups/dynamic.ts';
import type { GroupChores } from './groups/group-chores.ts';
import type { Mover } from './merging/mover.ts';
import type { Metrics } from './metrics.ts';
import type { Ordinals } from './profiles/ordinals.ts';
import type { Secrets } from './secrets.ts';
import type { CreationLimits } from './usage/creation-limits.ts';

export interface Context {
  db: Database;
  clock: Clock;
  log: Logger;
  config: Config;
  secrets: Secrets;
  metrics: Metrics;
  applications: Applications;
  catalogues: Catalogues;
  ordinals: Ordinals;
  tokens: ProfileTokens;
  /** What fans' apps may make of profiles. */
  creationLimits: CreationLimits;
  /** Whose requests this process answered lately. */
  neighbours: Neighbours;
  /** Those of the credentials that are still good: what they opened ends with them. still-valid.ts. */
  stillValid(credentials: readonly Credential[]): Promise<Set<Credential>>;
  /** What dynamic groups need beyond static ones; evaluation/dynamic-groups.ts. */
  dynamicGroups: DynamicGroups;
  /** Brings long histories over after their merges. */
  mover: Pick<Mover, 'atOnce' | 'wake'>;
  /** Work on groups that goes on after the answer. */
  groupChores: GroupChores;
}

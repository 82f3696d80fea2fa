// What was done, in words, and where its object is found in the console.

const VERBS: Record<string, string> = {
  create: 'Created',
  update: 'Changed',
  delete: 'Deleted',
  restore: 'Restored',
  add: 'Added',
  remove: 'Removed',
  replace: 'Replaced',
  erase: 'Erased',
  merge: 'Merged',
  rotate: 'Rotated',
  revoke: 'Revoked',
  pin: 'Pinned',
  unpin: 'Unpinned',
  define: 'Defined',
  register: 'Registered',
  unregister: 'Unregistered',
  upsert: 'Created or changed',
  export: 'Exported',
  invite: 'Invited',
  withdraw: 'Withdrew',
  accept: 'Accepted',
  change: 'Changed',
  rewind: 'Rewound',
  test: 'Tested',
  retry: 'Sent again',
  fill: 'Filled',
};

const WHOLE: Record<string, string> = {
  signIn: 'Signed in',
  signInFailed: 'Failed to sign in',
  signOut: 'Signed out',
  signOutEverywhere: 'Signed out everywhere',
  createImport: 'Imported a file',
  fillDemo: 'Filled in the demo',
};

/** `updateGroup`: “Changed group”. */
export function actionLabel(action: string): string {
  const known = WHOLE[action];
  if (known !== undefined) return known;
  const [verb = '', ...nouns] = action.split(/(?=[A-Z])/);
  return [VERBS[verb] ?? verb, ...nouns.map((noun) => noun.toLowerCase())].join(' ');
}

export const OBJECT_TYPES: [type: string, label: string][] = [
  ['profile', 'Profiles'],
  ['group', 'Groups'],
  ['attribute', 'Attributes'],
  ['activity_type', 'Activity types'],
  ['token', 'Admin tokens'],
  ['producer', 'People'],
  ['invitation', 'Invitations'],
  ['webhook', 'Webhooks'],
  ['import', 'Imports'],
  ['application', 'The application'],
];

/** The page of an object below the application; undefined where it has none of its own. */
export function pageOf({ type, id }: { type: string; id: string | null }): string | undefined {
  if (id === null) return undefined;
  if (type === 'profile') return `profiles/${encodeURIComponent(id)}`;
  if (type === 'group') return `groups/${encodeURIComponent(id)}`;
  if (type === 'webhook') return `webhooks/${encodeURIComponent(id)}`;
  return type === 'attribute' ? `attributes?attribute=${encodeURIComponent(id)}` : undefined;
}

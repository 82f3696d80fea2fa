/** The question for a rule's history, the same wherever it is asked. */
export const HISTORY = { page_size: 20 };

/** `producer:ana@example.com` or `token:name`. */
export function actorLabel(actor: string): string {
  const [, kind, name] = /^(producer|token):(.*)$/s.exec(actor) ?? [];
  return kind === 'token' ? `the token “${name ?? ''}”` : (name ?? actor);
}

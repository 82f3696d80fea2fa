// What is found about an installation, always with the reason and the remedy: a warning that leaves its reader without either is passed over.

/** `error`: something will fail or be lost. `warning`: it works, not as it should in public. `note`: a choice worth knowing. */
export type Level = 'error' | 'warning' | 'note';

export interface Finding {
  /** Stable, for programs: `secret-key`. */
  check: string;
  level: Level;
  what: string;
  why: string;
  action: string;
}

/** A finding where the condition holds, none where it does not. */
export const findIf = (holds: boolean, finding: Finding): Finding[] => (holds ? [finding] : []);

const ORDER: Record<Level, number> = { error: 0, warning: 1, note: 2 };

/** The gravest first. */
export const sortFindings = (findings: Finding[]): Finding[] =>
  findings.toSorted((a, b) => ORDER[a.level] - ORDER[b.level] || (a.check < b.check ? -1 : 1));

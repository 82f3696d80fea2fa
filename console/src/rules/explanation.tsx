// Why a profile is or is not a member: the rule as it stands, each line with the value that was found.

import { IconCheck, IconX } from '@tabler/icons-react';
import { formatMoment, formatSpan, millis } from '../format.ts';
import type { Explained, ExplainedLeaf, RuleNode } from '../types.ts';
import { useNow } from '../ui/bits.tsx';
import { leafPhrase, valueLabel, type Words } from './phrases.ts';

const HEADS: Record<RuleNode['operator'], (count: number | undefined, many: boolean) => string> = {
  AND: (_count, many) => (many ? 'All of these' : 'This'),
  OR: (_count, many) => (many ? 'Any of these' : 'This'),
  NOT: () => 'Not this',
  AT_LEAST: (count) => `At least ${count ?? 1} of these`,
};

export function Explanation({ explanation, words }: { explanation: Explained; words: Words }) {
  return (
    <ul className="why">
      <Part part={explanation} words={words} />
    </ul>
  );
}

function Part({ part, words }: { part: Explained; words: Words }) {
  if (!('operator' in part)) return <Leaf part={part} words={words} />;
  const { children } = part;
  const [only] = children;
  // A joint of one part says nothing that the part does not say.
  if (only && children.length === 1 && (part.operator === 'AND' || part.operator === 'OR'))
    return <Part part={only} words={words} />;
  return (
    <li className="why-node">
      <div className="why-head">
        <Mark result={part.result} />
        <span>
          {HEADS[part.operator](part.count, children.length > 1)}
          <Said result={part.result} />
        </span>
      </div>
      <ul>
        {children.map((child, index) => (
          <Part key={index} part={child} words={words} />
        ))}
      </ul>
    </li>
  );
}

function Leaf({ part, words }: { part: ExplainedLeaf; words: Words }) {
  const now = useNow(10_000);
  const unit = words.attribute(part.attribute)?.unit;
  const flip = part.next_flip_at;
  const actual =
    part.attribute === 'profile_group' && Array.isArray(part.actual)
      ? part.actual.map((id) => `“${words.group(String(id))}”`).join(', ') || 'none of them'
      : valueLabel(part.actual);
  return (
    <li className="why-leaf">
      <Mark result={part.result} />
      <span className="name">
        {leafPhrase(part, words)}
        <Said result={part.result} />
      </span>
      <span className="why-actual name">
        Found: <strong>{actual}</strong>
        {unit && typeof part.actual === 'number' ? ` ${unit}` : ''}
        {flip !== null && (
          <span title={flip}>
            {' '}
            · turns {part.result ? 'false' : 'true'} in {formatSpan(millis(flip) - now)} ({formatMoment(flip)})
          </span>
        )}
      </span>
    </li>
  );
}

function Mark({ result }: { result: boolean }) {
  return (
    <span className={result ? 'why-mark yes' : 'why-mark'} aria-hidden>
      {result ? <IconCheck size={13} stroke={2.4} /> : <IconX size={12} stroke={2.2} />}
    </span>
  );
}

function Said({ result }: { result: boolean }) {
  return <span className="visually-hidden">{result ? ': true' : ': false'}</span>;
}

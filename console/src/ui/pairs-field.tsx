import { IconPlus, IconTrash } from '@tabler/icons-react';
import type { Pair } from '../types.ts';
import { Button } from './button.tsx';

/** Keys with values; a key may stand more than once. */
export function PairsField({
  pairs,
  errors,
  disabled,
  onChange,
}: {
  pairs: Pair[];
  errors: Record<string, string[]>;
  disabled?: boolean;
  onChange: (pairs: Pair[]) => void;
}) {
  const change = (at: number, part: Partial<Pair>): void =>
    onChange(pairs.map((pair, index) => (index === at ? { ...pair, ...part } : pair)));
  const below = (prefix: string): string[] =>
    Object.entries(errors)
      .filter(([field]) => field === prefix || field.startsWith(`${prefix}.`))
      .flatMap(([, messages]) => messages);
  return (
    <fieldset className="field" disabled={disabled}>
      <legend className="label">Attributes</legend>
      {pairs.length > 0 && (
        <ul className="pairs">
          {pairs.map((pair, at) => (
            <li key={at}>
              <input
                className="input"
                aria-label={`Key ${at + 1}`}
                placeholder="key"
                maxLength={200}
                value={pair.key}
                onChange={(event) => change(at, { key: event.target.value })}
              />
              <input
                className="input"
                aria-label={`Value ${at + 1}`}
                placeholder="value"
                maxLength={200}
                value={pair.value}
                onChange={(event) => change(at, { value: event.target.value })}
              />
              <Button
                look="quiet"
                danger
                iconOnly
                icon={<IconTrash size={16} aria-hidden />}
                onClick={() => onChange(pairs.filter((_, index) => index !== at))}
              >
                {`Remove attribute ${at + 1}`}
              </Button>
              {below(`attributes[${at}]`).length > 0 && (
                <p className="error-text" role="alert">
                  {below(`attributes[${at}]`).join(' ')}
                </p>
              )}
            </li>
          ))}
        </ul>
      )}
      {(errors['attributes'] ?? []).length > 0 && (
        <p className="error-text" role="alert">
          {errors['attributes']?.join(' ')}
        </p>
      )}
      {!disabled && (
        <div>
          <Button
            small
            icon={<IconPlus size={15} aria-hidden />}
            onClick={() => onChange([...pairs, { key: '', value: '' }])}
          >
            Attribute
          </Button>
        </div>
      )}
    </fieldset>
  );
}

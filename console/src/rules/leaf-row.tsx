// One rule: attribute, condition, value, and where it is supported which activities it counts.

import { useId, useMemo } from 'react';
import { IconTrash } from '@tabler/icons-react';
import type { FieldErrors } from '../api.ts';
import type { Attribute } from '../types.ts';
import { Button } from '../ui/button.tsx';
import { Combobox, type Option } from '../ui/combobox.tsx';
import { withAttribute, withCondition, type DraftLeaf } from './model.ts';
import { CountedInput } from './counted-input.tsx';
import { conditionLabel, type Words } from './phrases.ts';
import { ValueInput } from './value-input.tsx';

export interface Editing {
  attributes: Attribute[];
  words: Words;
  /** What the server said, by path as it was sent. */
  errors: FieldErrors;
  disabled?: boolean;
}

interface LeafRowProps extends Editing {
  leaf: DraftLeaf;
  /** Where it stands in what is sent: `rule_tree.children[0].children[1]`. */
  path: string;
  /** Said before its inputs, to tell the rows apart. */
  name: string;
  onChange: (leaf: DraftLeaf) => void;
  onRemove?: (() => void) | undefined;
}

/** The messages of this leaf and everything in it. */
function errorsBelow(errors: FieldErrors, path: string): string[] {
  return Object.entries(errors)
    .filter(([field]) => field === path || field.startsWith(`${path}.`) || field.startsWith(`${path}[`))
    .flatMap(([, messages]) => messages);
}

export function attributeOptions(attributes: Attribute[]): Option[] {
  const order = [...new Set(attributes.map((one) => one.category))].sort(
    (a, b) => Number(b === 'custom') - Number(a === 'custom') || a.localeCompare(b),
  );
  return order.flatMap((category) =>
    attributes
      .filter((one) => one.category === category)
      .map((one) => ({
        value: one.key,
        label: one.label,
        hint: one.description || one.key,
        group: category.replaceAll('_', ' '),
      })),
  );
}

export function LeafRow({ leaf, path, name, attributes, words, errors, disabled, onChange, onRemove }: LeafRowProps) {
  const id = useId();
  const options = useMemo(() => attributeOptions(attributes), [attributes]);
  const attribute = attributes.find((one) => one.key === leaf.attribute);
  const below = (field: string): string[] => errorsBelow(errors, `${path}.${field}`);
  const messages = errorsBelow(errors, path);
  const describedBy = messages.length > 0 ? `${id}-errors` : undefined;
  const conditions = attribute?.conditions ?? (leaf.condition === '' ? [] : [leaf.condition]);
  return (
    <div className="leaf" role="group" aria-label={name}>
      <div className="leaf-fields">
        <div className="leaf-attribute">
          <Combobox
            label={`${name}: attribute`}
            value={leaf.attribute}
            options={options}
            placeholder="Choose an attribute"
            invalid={below('attribute').length > 0}
            describedBy={describedBy}
            disabled={disabled ?? false}
            onChange={(key) => {
              const next = attributes.find((one) => one.key === key);
              if (next && next.key !== leaf.attribute) onChange(withAttribute(leaf, next, attribute));
            }}
          />
        </div>
        {leaf.attribute !== '' && (
          <select
            className="select leaf-condition"
            aria-label={`${name}: condition`}
            aria-invalid={below('condition').length > 0 ? true : undefined}
            aria-describedby={describedBy}
            disabled={disabled}
            value={leaf.condition}
            onChange={(event) => onChange(withCondition(leaf, event.target.value, attribute))}
          >
            {conditions.map((condition) => (
              <option key={condition} value={condition}>
                {conditionLabel(condition, attribute)}
              </option>
            ))}
          </select>
        )}
        {attribute && leaf.condition !== '' && (
          <ValueInput
            key={`${leaf.attribute} ${leaf.condition}`}
            attribute={attribute}
            condition={leaf.condition}
            value={leaf.value}
            label={name}
            invalid={below('value').length > 0}
            describedBy={describedBy}
            words={words}
            {...(disabled && { disabled })}
            onChange={(value) => {
              const { value: _before, ...rest } = leaf;
              onChange(value === undefined ? rest : { ...rest, value });
            }}
          />
        )}
        {attribute?.supports_window && (
          <CountedInput
            name={name}
            leaf={leaf}
            attribute={attribute}
            below={below}
            describedBy={describedBy}
            disabled={disabled ?? false}
            onChange={onChange}
          />
        )}
        {leaf.salt !== undefined && (
          <span className="badge" title="Profiles fall into other buckets under another salt.">
            salt {leaf.salt}
          </span>
        )}
      </div>
      {onRemove && !disabled && (
        <Button look="quiet" small danger iconOnly icon={<IconTrash size={16} aria-hidden />} onClick={onRemove}>
          {`Remove ${name.toLowerCase()}`}
        </Button>
      )}
      {messages.length > 0 && (
        <p className="error-text leaf-errors" id={`${id}-errors`} role="alert">
          {messages.join(' ')}
        </p>
      )}
    </div>
  );
}

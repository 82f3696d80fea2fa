// One rule: attribute, condition, value, and where it is supported the window.

import { useId, useMemo, useState } from 'react';
import { IconTrash } from '@tabler/icons-react';
import type { FieldErrors } from '../api.ts';
import type { Attribute } from '../types.ts';
import { Button } from '../ui/button.tsx';
import { Combobox, type Option } from '../ui/combobox.tsx';
import { withAttribute, withCondition, type DraftLeaf } from './model.ts';
import { conditionLabel, windowLabel, type Words } from './phrases.ts';
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
          <WindowInput
            name={name}
            window={leaf.window}
            invalid={below('window').length > 0}
            describedBy={describedBy}
            disabled={disabled}
            onChange={(window) => onChange(setWindow(leaf, window))}
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

function setWindow(leaf: DraftLeaf, window: string | undefined): DraftLeaf {
  const { window: _before, ...rest } = leaf;
  return window === undefined ? rest : { ...rest, window };
}

const WINDOWS = ['PT1H', 'P1D', 'P7D', 'P14D', 'P30D', 'P90D', 'P365D'];
const OTHER = 'other';

interface WindowInputProps {
  name: string;
  window: string | undefined;
  invalid: boolean;
  describedBy: string | undefined;
  disabled: boolean | undefined;
  onChange: (window: string | undefined) => void;
}

function WindowInput({ name, window, invalid, describedBy, disabled, onChange }: WindowInputProps) {
  const [own, setOwn] = useState(false);
  const shown = window !== undefined && !WINDOWS.includes(window) && !own ? [...WINDOWS, window] : WINDOWS;
  const [, amount = '7', unit = 'D'] = /^PT?(\d*)([WDHMS])$/.exec(window ?? '') ?? [];
  const compose = (count: string, letter: string): string => `P${'HMS'.includes(letter) ? 'T' : ''}${count}${letter}`;
  return (
    <span className="with-unit">
      <select
        className="select value-window"
        aria-label={`${name}: period`}
        aria-invalid={invalid ? true : undefined}
        aria-describedby={describedBy}
        disabled={disabled}
        value={own ? OTHER : (window ?? '')}
        onChange={(event) => {
          setOwn(event.target.value === OTHER);
          if (event.target.value === OTHER) onChange(window ?? 'P7D');
          else onChange(event.target.value === '' ? undefined : event.target.value);
        }}
      >
        <option value="">ever</option>
        {shown.map((one) => (
          <option key={one} value={one}>
            in the last {windowLabel(one)}
          </option>
        ))}
        <option value={OTHER}>another period…</option>
      </select>
      {own && (
        <>
          <input
            className="input value-short numeric"
            inputMode="numeric"
            aria-label={`${name}: length of the period`}
            value={amount}
            disabled={disabled}
            onChange={(event) => onChange(compose(event.target.value.replaceAll(/\D/g, ''), unit))}
          />
          <select
            className="select"
            aria-label={`${name}: unit of the period`}
            value={unit}
            disabled={disabled}
            onChange={(event) => onChange(compose(amount, event.target.value))}
          >
            <option value="M">minutes</option>
            <option value="H">hours</option>
            <option value="D">days</option>
            <option value="W">weeks</option>
          </select>
        </>
      )}
    </span>
  );
}

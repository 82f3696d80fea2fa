// The input that a condition's value needs: a number, a day, a list, other groups.

import { useEffect, useState } from 'react';
import type { Attribute } from '../types.ts';
import { Chips } from '../ui/chips.tsx';
import { GroupsInput } from '../ui/groups-input.tsx';
import { valueKind } from './model.ts';
import type { Words } from './phrases.ts';

interface ValueInputProps {
  attribute: Attribute;
  condition: string;
  value: unknown;
  onChange: (value: unknown) => void;
  /** Begins the names of its inputs. */
  label: string;
  invalid: boolean;
  describedBy: string | undefined;
  words: Words;
  disabled?: boolean;
}

export interface Wiring {
  'aria-label': string;
  'aria-invalid': true | undefined;
  'aria-describedby': string | undefined;
  disabled: boolean | undefined;
}

export function ValueInput({
  attribute,
  condition,
  value,
  onChange,
  label,
  invalid,
  describedBy,
  words,
  disabled,
}: ValueInputProps) {
  const wire = (part: string): Wiring => ({
    'aria-label': `${label}: ${part}`,
    'aria-invalid': invalid ? true : undefined,
    'aria-describedby': describedBy,
    disabled,
  });
  const pair = Array.isArray(value) ? (value as unknown[]) : [undefined, undefined];
  switch (valueKind(attribute, condition)) {
    case 'none':
      return null;
    case 'boolean':
      return (
        <select
          className="select value-short"
          {...wire('value')}
          value={value === false ? 'false' : 'true'}
          onChange={(event) => onChange(event.target.value === 'true')}
        >
          <option value="true">yes</option>
          <option value="false">no</option>
        </select>
      );
    case 'days':
      return (
        <span className="with-unit">
          <NumberInput {...wire('number of days')} value={value} onChange={onChange} />
          <span className="muted">days</span>
        </span>
      );
    case 'days-range':
      return (
        <span className="with-unit">
          <NumberInput {...wire('fewest days ago')} value={pair[0]} onChange={(low) => onChange([low, pair[1]])} />
          <span className="muted">to</span>
          <NumberInput {...wire('most days ago')} value={pair[1]} onChange={(high) => onChange([pair[0], high])} />
          <span className="muted">days ago, today is 0</span>
        </span>
      );
    case 'date':
      return typeof value === 'string' && value.includes('T') ? (
        <InstantInput {...wire('date and time')} value={value} onChange={onChange} />
      ) : (
        <input
          {...wire('date')}
          type="date"
          className="input value-instant"
          value={typeof value === 'string' ? value : ''}
          onChange={(event) => onChange(event.target.value === '' ? undefined : event.target.value)}
        />
      );
    case 'number':
      return (
        <span className="with-unit">
          <NumberInput {...wire('value')} value={value} onChange={onChange} />
          {attribute.unit && <span className="muted">{attribute.unit}</span>}
        </span>
      );
    case 'numbers':
      return (
        <span className="with-unit">
          <NumberInput {...wire('lowest')} value={pair[0]} onChange={(low) => onChange([low, pair[1]])} />
          <span className="muted">and</span>
          <NumberInput {...wire('highest')} value={pair[1]} onChange={(high) => onChange([pair[0], high])} />
          {attribute.unit && <span className="muted">{attribute.unit}</span>}
        </span>
      );
    case 'datetime':
      return <InstantInput {...wire('date and time')} value={value} onChange={onChange} />;
    case 'datetimes':
      return (
        <span className="with-unit">
          <InstantInput {...wire('earliest')} value={pair[0]} onChange={(from) => onChange([from, pair[1]])} />
          <span className="muted">and</span>
          <InstantInput {...wire('latest')} value={pair[1]} onChange={(to) => onChange([pair[0], to])} />
        </span>
      );
    case 'groups':
      return (
        <GroupsInput
          label={`${label}: groups`}
          value={value}
          onChange={onChange}
          nameOf={words.group}
          invalid={invalid}
          describedBy={describedBy}
          disabled={disabled}
        />
      );
    case 'texts':
    case 'number-list':
      return (
        <ListInput
          {...wire('values')}
          numeric={attribute.type === 'number'}
          choices={attribute.choices ?? undefined}
          value={value}
          onChange={onChange}
        />
      );
    case 'text':
      return attribute.choices && attribute.choices.length > 0 ? (
        <select
          className="select"
          {...wire('value')}
          value={typeof value === 'string' ? value : ''}
          onChange={(event) => onChange(event.target.value)}
        >
          <option value="">Choose…</option>
          {[
            ...attribute.choices,
            ...(typeof value === 'string' && value !== '' && !attribute.choices.includes(value) ? [value] : []),
          ].map((choice) => (
            <option key={choice}>{choice}</option>
          ))}
        </select>
      ) : (
        <input
          className="input"
          {...wire('value')}
          value={typeof value === 'string' ? value : ''}
          placeholder="text"
          maxLength={200}
          onChange={(event) => onChange(event.target.value)}
        />
      );
  }
}

/** A number as soon as it is one; until then what was typed, so that the server can say what is wrong with it. */
function readNumber(text: string): unknown {
  const plain = text.trim().replace(',', '.');
  if (plain === '') return undefined;
  const number = Number(plain);
  return Number.isFinite(number) ? number : text;
}

export function NumberInput({
  value,
  onChange,
  ...wiring
}: Wiring & { value: unknown; onChange: (value: unknown) => void }) {
  const [text, setText] = useState(() => (value === undefined ? '' : String(value)));
  useEffect(() => {
    setText((now) => (readNumber(now) === value ? now : value === undefined ? '' : String(value)));
  }, [value]);
  return (
    <input
      {...wiring}
      className="input value-short numeric"
      inputMode="decimal"
      value={text}
      onChange={(event) => {
        setText(event.target.value);
        onChange(readNumber(event.target.value));
      }}
    />
  );
}

const pad = (number: number): string => String(number).padStart(2, '0');

/** An instant as the browser's own input shows it, in the viewer's zone. */
export function toLocalInput(value: unknown): string {
  if (typeof value !== 'string') return '';
  const date = new Date(value.replace(/(\.\d{3})\d+/, '$1'));
  if (Number.isNaN(date.getTime())) return '';
  const seconds = date.getSeconds() === 0 ? '' : `:${pad(date.getSeconds())}`;
  return `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())}T${pad(date.getHours())}:${pad(date.getMinutes())}${seconds}`;
}

export const fromLocalInput = (text: string): string | undefined => {
  const date = new Date(text);
  return text === '' || Number.isNaN(date.getTime()) ? undefined : date.toISOString();
};

export function InstantInput({
  value,
  onChange,
  ...wiring
}: Wiring & { value: unknown; onChange: (value: unknown) => void }) {
  return (
    <input
      {...wiring}
      type="datetime-local"
      className="input value-instant"
      value={toLocalInput(value)}
      onChange={(event) => onChange(fromLocalInput(event.target.value))}
    />
  );
}

/** Enter or a comma adds; pasting a column adds all of it. */
export function ListInput({
  value,
  onChange,
  numeric,
  read = numeric ? readNumber : String,
  choices,
  disabled,
  ...wiring
}: Wiring & {
  value: unknown;
  onChange: (value: unknown) => void;
  numeric: boolean;
  /** What a part of the text means. */
  read?: (text: string) => unknown;
  choices: string[] | undefined;
}) {
  const [text, setText] = useState('');
  const items = Array.isArray(value) ? (value as unknown[]) : [];
  const add = (added: string): void => {
    const parts = added
      .split(/[\n\t,;]+/)
      .map((part) => part.trim())
      .filter((part) => part !== '')
      .map(read);
    onChange([...items, ...parts.filter((part) => !items.includes(part))]);
    setText('');
  };
  return (
    <div className="list-input">
      <Chips
        items={items.map(String)}
        name={(item) => item}
        disabled={disabled}
        onRemove={(at) => onChange(items.filter((_, index) => index !== at))}
      />
      {choices && choices.length > 0 ? (
        <select
          className="select"
          {...wiring}
          disabled={disabled}
          value=""
          onChange={(event) => event.target.value !== '' && add(event.target.value)}
        >
          <option value="">Add…</option>
          {choices
            .filter((choice) => !items.includes(choice))
            .map((choice) => (
              <option key={choice}>{choice}</option>
            ))}
        </select>
      ) : (
        <input
          {...wiring}
          disabled={disabled}
          className="input"
          value={text}
          placeholder={items.length === 0 ? 'one, two, three' : 'another'}
          onChange={(event) =>
            /[\n\t,;]/.test(event.target.value) ? add(event.target.value) : setText(event.target.value)
          }
          onPaste={(event) => {
            const pasted = event.clipboardData.getData('text');
            if (/[\n\t,;]/.test(pasted)) {
              event.preventDefault();
              add(pasted);
            }
          }}
          onBlur={() => text.trim() !== '' && add(text)}
          onKeyDown={(event) => {
            if (event.key === 'Enter') {
              event.preventDefault();
              if (text.trim() !== '') add(text);
            } else if (event.key === 'Backspace' && text === '' && items.length > 0) onChange(items.slice(0, -1));
          }}
        />
      )}
    </div>
  );
}

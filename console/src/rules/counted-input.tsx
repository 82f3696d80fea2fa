// Which activities a rule counts: ever, in the last so many days or during a fixed time; only where their data says so;
// and whether a number of their data is added instead of counting.

import { useState } from 'react';
import { IconPlus, IconTrash } from '@tabler/icons-react';
import type { Attribute, DataCondition, FixedWindow } from '../types.ts';
import { Button } from '../ui/button.tsx';
import { DATA_CONDITIONS, dataValueKind, type DraftLeaf } from './model.ts';
import { conditionLabel, windowLabel } from './phrases.ts';
import { InstantInput, ListInput, NumberInput, type Wiring } from './value-input.tsx';

interface CountedProps {
  name: string;
  leaf: DraftLeaf;
  attribute: Attribute;
  /** What the server said of a field and everything in it. */
  below: (field: string) => string[];
  describedBy: string | undefined;
  disabled: boolean;
  onChange: (leaf: DraftLeaf) => void;
}

export const MAX_WHERE = 3;

export function CountedInput({ name, leaf, attribute, below, describedBy, disabled, onChange }: CountedProps) {
  const { window, where = [], sum_of: sumOf } = leaf;
  const wire = (field: string, part: string): Wiring => ({
    'aria-label': `${name}: ${part}`,
    'aria-invalid': below(field).length > 0 ? true : undefined,
    'aria-describedby': describedBy,
    disabled,
  });
  const change = (fields: { [Field in 'window' | 'where' | 'sum_of']?: DraftLeaf[Field] | undefined }): void => {
    const { window: ofWindow, where: ofWhere, sum_of: ofSum, ...rest } = { ...leaf, ...fields };
    onChange({
      ...rest,
      ...(ofWindow !== undefined && { window: ofWindow }),
      ...(ofWhere !== undefined && ofWhere.length > 0 && { where: ofWhere }),
      ...(ofSum !== undefined && { sum_of: ofSum }),
    });
  };
  const edit = (at: number, next: DataCondition | undefined): void =>
    change({ where: where.flatMap((one, index) => (index === at ? (next ?? []) : one)) });
  return (
    <>
      <WindowInput
        window={window}
        wire={(part) => wire('window', part)}
        onChange={(next) => change({ window: next })}
      />
      {sumOf !== undefined && (
        <span className="with-unit">
          <span className="muted">adding up</span>
          <input
            className="input value-key"
            {...wire('sum_of', 'key of the number that is added')}
            value={sumOf}
            placeholder="amount"
            maxLength={200}
            onChange={(event) => change({ sum_of: event.target.value })}
          />
          {!disabled && (
            <Remove label={`${name}: count again instead of adding`} onClick={() => change({ sum_of: undefined })} />
          )}
        </span>
      )}
      {where.map((one, at) => (
        <DataConditionRow
          key={at}
          condition={one}
          name={`${name}, data ${at + 1}`}
          joint={at === 0 ? 'where' : 'and'}
          wire={(part) => wire(`where[${at}]`, `data ${at + 1}, ${part}`)}
          onChange={(next) => edit(at, next)}
        />
      ))}
      {!disabled && (
        <span className="row wrap">
          {where.length < MAX_WHERE && (
            <Button
              small
              look="quiet"
              icon={<IconPlus size={14} aria-hidden />}
              onClick={() => change({ where: [...where, { key: '', condition: 'equals' }] })}
            >
              {where.length === 0 ? 'Only where…' : 'And where…'}
            </Button>
          )}
          {sumOf === undefined && attribute.type === 'number' && (
            <Button small look="quiet" icon={<IconPlus size={14} aria-hidden />} onClick={() => change({ sum_of: '' })}>
              Add up…
            </Button>
          )}
        </span>
      )}
    </>
  );
}

function Remove({ label, onClick }: { label: string; onClick: () => void }) {
  return (
    <Button small look="quiet" danger iconOnly icon={<IconTrash size={14} aria-hidden />} onClick={onClick}>
      {label}
    </Button>
  );
}

interface DataConditionProps {
  condition: DataCondition;
  name: string;
  joint: string;
  wire: (part: string) => Wiring;
  onChange: (next: DataCondition | undefined) => void;
}

function DataConditionRow({ condition: one, name, joint, wire, onChange }: DataConditionProps) {
  const kind = dataValueKind(one);
  return (
    <span className="with-unit data-condition" role="group" aria-label={name}>
      <span className="muted">{joint}</span>
      <input
        className="input value-key"
        {...wire('key')}
        value={one.key}
        placeholder="match"
        maxLength={200}
        onChange={(event) => onChange({ ...one, key: event.target.value })}
      />
      <select
        className="select"
        {...wire('condition')}
        value={one.condition}
        onChange={(event) => onChange(withDataCondition(one, event.target.value))}
      >
        {DATA_CONDITIONS.map((condition) => (
          <option key={condition} value={condition}>
            {conditionLabel(condition)}
          </option>
        ))}
      </select>
      <DataValue kind={kind} value={one.value} wire={wire} onChange={(value) => onChange(withDataValue(one, value))} />
      {!wire('').disabled && <Remove label={`Remove ${name.toLowerCase()}`} onClick={() => onChange(undefined)} />}
    </span>
  );
}

function withDataCondition(one: DataCondition, condition: string): DataCondition {
  const next = { ...one, condition };
  return dataValueKind(next) === dataValueKind(one) ? next : { key: one.key, condition };
}

function withDataValue({ key, condition }: DataCondition, value: unknown): DataCondition {
  return { key, condition, ...(value !== undefined && { value }) };
}

interface DataValueProps {
  kind: ReturnType<typeof dataValueKind>;
  value: unknown;
  wire: (part: string) => Wiring;
  onChange: (value: unknown) => void;
}

function DataValue({ kind, value, wire, onChange }: DataValueProps) {
  const pair = Array.isArray(value) ? (value as unknown[]) : [undefined, undefined];
  switch (kind) {
    case 'none':
      return null;
    case 'number':
      return <NumberInput {...wire('value')} value={value} onChange={onChange} />;
    case 'numbers':
      return (
        <>
          <NumberInput {...wire('lowest')} value={pair[0]} onChange={(low) => onChange([low, pair[1]])} />
          <span className="muted">and</span>
          <NumberInput {...wire('highest')} value={pair[1]} onChange={(high) => onChange([pair[0], high])} />
        </>
      );
    case 'list':
      return (
        <ListInput
          {...wire('values')}
          numeric={false}
          read={readScalar}
          choices={undefined}
          value={value}
          onChange={onChange}
        />
      );
    case 'text':
      return <TextInput wire={wire} value={value} onChange={onChange} />;
    case 'scalar':
      return <ScalarInput wire={wire} value={value} onChange={onChange} />;
  }
}

/** What a number, true or false is written as means that, and all else a text. */
function readScalar(text: string): string | number | boolean {
  if (text === 'true' || text === 'false') return text === 'true';
  return text.trim() !== '' && Number.isFinite(Number(text)) ? Number(text) : text;
}

function TextInput({ wire, value, onChange }: Omit<DataValueProps, 'kind'>) {
  return (
    <input
      className="input value-key"
      {...wire('value')}
      value={typeof value === 'string' ? value : ''}
      placeholder="text"
      maxLength={200}
      onChange={(event) => onChange(event.target.value === '' ? undefined : event.target.value)}
    />
  );
}

const KINDS = { number: 'number', boolean: 'yes or no', string: 'text' } as const;

/** `6` and `"6"` are different: what is written becomes a number where it is one, unless one says otherwise. */
function ScalarInput({ wire, value, onChange }: Omit<DataValueProps, 'kind'>) {
  const type = value === undefined ? undefined : (typeof value as keyof typeof KINDS);
  const text = value === undefined ? '' : String(value);
  return (
    <>
      {type === 'number' ? (
        <NumberInput
          {...wire('value')}
          value={value}
          onChange={(next) => onChange(typeof next === 'number' || next === undefined ? next : String(next))}
        />
      ) : (
        <input
          className="input value-key"
          {...wire('value')}
          value={text}
          placeholder="value"
          maxLength={200}
          onChange={(event) =>
            onChange(
              event.target.value === ''
                ? undefined
                : type === 'string'
                  ? event.target.value
                  : readScalar(event.target.value),
            )
          }
        />
      )}
      {type !== undefined && (
        <select
          className="select"
          {...wire('type of the value')}
          value={type}
          onChange={(event) =>
            onChange(
              event.target.value === 'string'
                ? text
                : event.target.value === 'boolean'
                  ? text === 'true'
                  : Number(text) || 0,
            )
          }
        >
          {Object.entries(KINDS).map(([one, label]) => (
            <option key={one} value={one}>
              {label}
            </option>
          ))}
        </select>
      )}
    </>
  );
}

const WINDOWS = ['PT1H', 'P1D', 'P7D', 'P14D', 'P30D', 'P90D', 'P365D'];
const OTHER = 'other';
const FIXED = 'fixed';

interface WindowInputProps {
  window: string | FixedWindow | undefined;
  wire: (part: string) => Wiring;
  onChange: (window: string | FixedWindow | undefined) => void;
}

function WindowInput({ window, wire, onChange }: WindowInputProps) {
  const [own, setOwn] = useState(false);
  const isFixed = typeof window === 'object';
  const duration = isFixed ? undefined : window;
  const shown = duration !== undefined && !WINDOWS.includes(duration) && !own ? [...WINDOWS, duration] : WINDOWS;
  const choose = (choice: string): void => {
    setOwn(choice === OTHER);
    if (choice === OTHER) onChange(duration ?? 'P7D');
    else if (choice === FIXED) onChange({});
    else onChange(choice === '' ? undefined : choice);
  };
  return (
    <span className="with-unit">
      <select
        className="select value-window"
        {...wire('period')}
        value={isFixed ? FIXED : own ? OTHER : (duration ?? '')}
        onChange={(event) => choose(event.target.value)}
      >
        <option value="">ever</option>
        {shown.map((one) => (
          <option key={one} value={one}>
            in the last {windowLabel(one)}
          </option>
        ))}
        <option value={OTHER}>another period…</option>
        <option value={FIXED}>during a fixed time…</option>
      </select>
      {isFixed && <FixedInput window={window} wire={wire} onChange={onChange} />}
      {own && !isFixed && <DurationInput window={duration} wire={wire} onChange={onChange} />}
    </span>
  );
}

function FixedInput({
  window,
  wire,
  onChange,
}: {
  window: FixedWindow;
  wire: (part: string) => Wiring;
  onChange: (window: FixedWindow) => void;
}) {
  const set = (field: keyof FixedWindow, value: unknown): void => {
    const { [field]: _before, ...rest } = window;
    onChange(typeof value === 'string' ? { ...rest, [field]: value } : rest);
  };
  return (
    <>
      <span className="muted">from</span>
      <InstantInput {...wire('from')} value={window.from} onChange={(value) => set('from', value)} />
      <span className="muted">until before</span>
      <InstantInput {...wire('until')} value={window.until} onChange={(value) => set('until', value)} />
    </>
  );
}

function DurationInput({
  window,
  wire,
  onChange,
}: {
  window: string | undefined;
  wire: (part: string) => Wiring;
  onChange: (window: string) => void;
}) {
  const [, amount = '7', unit = 'D'] = /^PT?(\d*)([WDHMS])$/.exec(window ?? '') ?? [];
  const compose = (count: string, letter: string): string => `P${'HMS'.includes(letter) ? 'T' : ''}${count}${letter}`;
  return (
    <>
      <input
        className="input value-short numeric"
        inputMode="numeric"
        {...wire('length of the period')}
        value={amount}
        onChange={(event) => onChange(compose(event.target.value.replaceAll(/\D/g, ''), unit))}
      />
      <select
        className="select"
        {...wire('unit of the period')}
        value={unit}
        onChange={(event) => onChange(compose(amount, event.target.value))}
      >
        <option value="M">minutes</option>
        <option value="H">hours</option>
        <option value="D">days</option>
        <option value="W">weeks</option>
      </select>
    </>
  );
}

// Labelled controls whose hints and errors are read with them.

import {
  useId,
  type InputHTMLAttributes,
  type ReactNode,
  type SelectHTMLAttributes,
  type TextareaHTMLAttributes,
} from 'react';
import { IconSearch } from '@tabler/icons-react';

interface Labelled {
  label: ReactNode;
  hint?: ReactNode;
  errors?: string[] | undefined;
  /** The label is read, not seen. */
  hideLabel?: boolean;
}

interface Wiring {
  id: string;
  'aria-invalid': true | undefined;
  'aria-describedby': string | undefined;
}

function Frame({ label, hint, errors, hideLabel, children }: Labelled & { children: (wiring: Wiring) => ReactNode }) {
  const id = useId();
  const failed = errors !== undefined && errors.length > 0;
  const described = [hint ? `${id}-hint` : '', failed ? `${id}-error` : ''].filter(Boolean).join(' ');
  return (
    <div className="field">
      <label htmlFor={id} className={hideLabel ? 'visually-hidden' : undefined}>
        {label}
      </label>
      {children({ id, 'aria-invalid': failed ? true : undefined, 'aria-describedby': described || undefined })}
      {failed && (
        <p className="error" id={`${id}-error`} role="alert">
          {errors.join(' ')}
        </p>
      )}
      {hint && (
        <p className="hint" id={`${id}-hint`}>
          {hint}
        </p>
      )}
    </div>
  );
}

/** A dialog finds by it what to focus once it is open (dialog.tsx): React's autoFocus leaves no trace in the page. */
const marked = ({ autoFocus }: { autoFocus?: boolean | undefined }): { 'data-autofocus'?: true } =>
  autoFocus ? { 'data-autofocus': true } : {};

export function TextField({
  label,
  hint,
  errors,
  hideLabel,
  className = '',
  ...input
}: Labelled & InputHTMLAttributes<HTMLInputElement>) {
  return (
    <Frame label={label} hint={hint} errors={errors} {...(hideLabel && { hideLabel })}>
      {(wiring) => (
        <input autoComplete="off" {...input} {...wiring} {...marked(input)} className={`input ${className}`} />
      )}
    </Frame>
  );
}

export function TextArea({
  label,
  hint,
  errors,
  hideLabel,
  className = '',
  ...input
}: Labelled & TextareaHTMLAttributes<HTMLTextAreaElement>) {
  return (
    <Frame label={label} hint={hint} errors={errors} {...(hideLabel && { hideLabel })}>
      {(wiring) => <textarea {...input} {...wiring} {...marked(input)} className={`textarea ${className}`} />}
    </Frame>
  );
}

export function SelectField({
  label,
  hint,
  errors,
  hideLabel,
  children,
  className = '',
  ...input
}: Labelled & SelectHTMLAttributes<HTMLSelectElement>) {
  return (
    <Frame label={label} hint={hint} errors={errors} {...(hideLabel && { hideLabel })}>
      {(wiring) => (
        <select {...input} {...wiring} className={`select ${className}`}>
          {children}
        </select>
      )}
    </Frame>
  );
}

export function CheckField({
  label,
  hint,
  ...input
}: { label: ReactNode; hint?: ReactNode } & InputHTMLAttributes<HTMLInputElement>) {
  const id = useId();
  return (
    <div className="check">
      <input type="checkbox" id={id} {...input} aria-describedby={hint ? `${id}-hint` : undefined} />
      <div>
        <label htmlFor={id}>{label}</label>
        {hint && (
          <span className="hint" id={`${id}-hint`}>
            {hint}
          </span>
        )}
      </div>
    </div>
  );
}

export function SearchField({ label, ...input }: { label: string } & InputHTMLAttributes<HTMLInputElement>) {
  const id = useId();
  return (
    <div className="search">
      <label htmlFor={id} className="visually-hidden">
        {label}
      </label>
      <IconSearch size={16} aria-hidden />
      <input
        type="search"
        id={id}
        className="input"
        placeholder={label}
        autoComplete="off"
        spellCheck={false}
        {...input}
      />
    </div>
  );
}

export interface Choice<T extends string> {
  value: T;
  label: ReactNode;
}

/** A few choices side by side, one of them pressed. */
export function Choices<T extends string>({
  label,
  value,
  choices,
  onChange,
}: {
  label: string;
  value: T;
  choices: readonly Choice<T>[];
  onChange: (value: T) => void;
}) {
  return (
    <div className="button-group" role="group" aria-label={label}>
      {choices.map((choice) => (
        <button
          key={choice.value}
          type="button"
          aria-pressed={choice.value === value}
          onClick={() => onChange(choice.value)}
        >
          {choice.label}
        </button>
      ))}
    </div>
  );
}

/** Several of many, each with a box of its own. */
export function CheckList({
  label,
  choices,
  value,
  errors,
  onChange,
}: {
  label: string;
  choices: { value: string; label: string }[];
  value: readonly string[];
  errors?: string[] | undefined;
  onChange: (value: string[]) => void;
}) {
  const id = useId();
  const toggle = (one: string): void =>
    onChange(value.includes(one) ? value.filter((other) => other !== one) : [...value, one]);
  return (
    <fieldset className="field check-list" aria-describedby={errors ? `${id}-error` : undefined}>
      <legend className="label">{label}</legend>
      <div className="check-list-choices" tabIndex={-1}>
        {choices.map((choice) => (
          <label key={choice.value} className="row">
            <input type="checkbox" checked={value.includes(choice.value)} onChange={() => toggle(choice.value)} />
            {choice.label}
          </label>
        ))}
      </div>
      {errors && (
        <p className="error" id={`${id}-error`} role="alert">
          {errors.join(' ')}
        </p>
      )}
    </fieldset>
  );
}

// A field that searches a grouped list. Typing filters, arrows move, Enter takes, Escape leaves things as they were.

import { useId, useRef, useState } from 'react';

export interface Option {
  value: string;
  label: string;
  /** Shown below the label and searched too. */
  hint?: string;
  group?: string;
}

interface ComboboxProps {
  label: string;
  value: string;
  options: readonly Option[];
  onChange: (value: string) => void;
  placeholder?: string;
  invalid?: boolean;
  describedBy?: string | undefined;
  disabled?: boolean;
  /** Called as one types, where the options come from the server. */
  onSearch?: (text: string) => void;
  /** Shown in place of a value that no option has. */
  fallback?: string;
}

const MAX_SHOWN = 200;

function matches(option: Option, words: string[]): boolean {
  const text = `${option.label} ${option.value} ${option.hint ?? ''} ${option.group ?? ''}`.toLowerCase();
  return words.every((word) => text.includes(word));
}

export function Combobox({
  label,
  value,
  options,
  onChange,
  placeholder,
  invalid,
  describedBy,
  disabled,
  onSearch,
  fallback,
}: ComboboxProps) {
  const id = useId();
  const [typed, setTyped] = useState<string | undefined>(undefined);
  const [active, setActive] = useState(0);
  const list = useRef<HTMLUListElement>(null);
  const input = useRef<HTMLInputElement>(null);
  const open = typed !== undefined;
  const words = (typed ?? '').toLowerCase().split(/\s+/).filter(Boolean);
  const shown = open
    ? options.filter((option) => onSearch !== undefined || matches(option, words)).slice(0, MAX_SHOWN)
    : [];
  const selected = options.find((option) => option.value === value);

  const start = (): void => {
    if (open || disabled) return;
    setTyped('');
    setActive(
      Math.max(
        0,
        options.findIndex((option) => option.value === value),
      ),
    );
    onSearch?.('');
    requestAnimationFrame(() =>
      list.current?.querySelector('[aria-selected="true"]')?.scrollIntoView({ block: 'center' }),
    );
  };
  const leave = (): void => setTyped(undefined);
  const take = (option: Option | undefined): void => {
    if (option) onChange(option.value);
    leave();
  };
  const move = (to: number): void => {
    const next = Math.max(0, Math.min(shown.length - 1, to));
    setActive(next);
    list.current?.querySelectorAll('[role="option"]')[next]?.scrollIntoView({ block: 'nearest' });
  };

  const onKeyDown = (event: React.KeyboardEvent): void => {
    if (!open) {
      if (event.key === 'ArrowDown' || event.key === 'Enter' || event.key === 'ArrowUp') {
        event.preventDefault();
        start();
      }
      return;
    }
    const moves: Record<string, number> = {
      ArrowDown: active + 1,
      ArrowUp: active - 1,
      PageDown: active + 8,
      PageUp: active - 8,
      Home: 0,
      End: shown.length,
    };
    const to = moves[event.key];
    if (to !== undefined && !(event.key === 'Home' && typed !== '') && !(event.key === 'End' && typed !== '')) {
      event.preventDefault();
      move(to);
    } else if (event.key === 'Enter') {
      event.preventDefault();
      take(shown[active]);
    } else if (event.key === 'Escape') {
      event.preventDefault();
      event.stopPropagation();
      leave();
    }
  };

  let group: string | undefined;
  return (
    <div className="combobox">
      <input
        ref={input}
        className="input select"
        role="combobox"
        aria-label={label}
        aria-expanded={open}
        aria-controls={open ? `${id}-list` : undefined}
        aria-autocomplete="list"
        aria-activedescendant={open && shown[active] ? `${id}-${active}` : undefined}
        aria-invalid={invalid ? true : undefined}
        aria-describedby={describedBy}
        autoComplete="off"
        spellCheck={false}
        disabled={disabled}
        placeholder={open ? (selected?.label ?? placeholder ?? 'Search…') : placeholder}
        value={typed ?? selected?.label ?? fallback ?? value}
        title={open ? undefined : selected?.hint}
        onClick={start}
        onKeyDown={onKeyDown}
        onBlur={leave}
        onChange={(event) => {
          setTyped(event.target.value);
          setActive(0);
          onSearch?.(event.target.value);
        }}
      />
      {open && (
        <ul ref={list} id={`${id}-list`} role="listbox" aria-label={label} className="options">
          {shown.map((option, index) => {
            const head = option.group !== group ? option.group : undefined;
            group = option.group;
            return [
              head !== undefined && (
                <li key={`group ${head}`} role="presentation" className="option-group">
                  {head}
                </li>
              ),
              <li
                key={option.value}
                id={`${id}-${index}`}
                role="option"
                aria-selected={option.value === value}
                className={index === active ? 'option active' : 'option'}
                onMouseMove={() => setActive(index)}
                onMouseDown={(event) => {
                  event.preventDefault();
                  take(option);
                }}
              >
                <span className="name">{option.label}</span>
                {option.hint && <span className="hint">{option.hint}</span>}
              </li>,
            ];
          })}
          {shown.length === 0 && (
            <li role="option" aria-selected="false" aria-disabled="true" className="option none">
              Nothing matches
            </li>
          )}
        </ul>
      )}
    </div>
  );
}

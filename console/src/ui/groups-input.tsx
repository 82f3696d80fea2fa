// Several groups: chips of those that are chosen, and a field that finds others by name.

import { useState } from 'react';
import { useGet, useSettled } from '../queries.ts';
import { useApplication } from '../session.tsx';
import type { Group, Page } from '../types.ts';
import { Chips } from './chips.tsx';
import { Combobox, type Option } from './combobox.tsx';

interface GroupsInputProps {
  label: string;
  value: unknown;
  /** One that is not offered. */
  except?: string;
  onChange: (value: unknown) => void;
  /** What a group that is chosen is called. */
  nameOf: (reference: string) => string;
  invalid?: boolean;
  describedBy?: string | undefined;
  disabled?: boolean | undefined;
}

export function GroupsInput({
  label,
  value,
  except,
  onChange,
  nameOf,
  invalid = false,
  describedBy,
  disabled,
}: GroupsInputProps) {
  const { path } = useApplication();
  const [search, setSearch] = useState<string | undefined>(undefined);
  const settled = useSettled(search, 200);
  const found = useGet<Page<Group>>(settled === undefined ? null : path('profile-groups/'), {
    name: settled ?? '',
    count: false,
  });
  const chosen = Array.isArray(value) ? value.map(String) : [];
  const options: Option[] = (found.data?.results ?? [])
    .filter((group) => group.id !== except && !chosen.includes(group.id))
    .map((group) => ({ value: group.id, label: group.name, ...(group.custom_id && { hint: group.custom_id }) }));
  return (
    <div className="list-input">
      <Chips
        items={chosen}
        name={nameOf}
        disabled={disabled}
        onRemove={(at) => onChange(chosen.filter((_, index) => index !== at))}
      />
      {!disabled && (
        <Combobox
          label={label}
          value=""
          fallback=""
          options={options}
          placeholder={chosen.length === 0 ? 'Choose a group' : 'Another group'}
          onSearch={setSearch}
          onChange={(id) => onChange([...chosen, id])}
          invalid={invalid}
          describedBy={describedBy}
        />
      )}
    </div>
  );
}

// The palette: one field that goes to any page, group, fan or attribute, or begins what one came for.

import { useId, useRef, useState, type ReactNode } from 'react';
import { IconArrowRight, IconPlus, IconTags, IconUser, IconUsersGroup } from '@tabler/icons-react';
import { useLocation } from 'wouter';
import { useNavigation } from './navigation.tsx';
import { useCatalogue, useGet, useSettled } from './queries.ts';
import { useProfileSearch } from './search.ts';
import { useApplication } from './session.tsx';
import type { Group, Page } from './types.ts';
import { Dialog } from './ui/dialog.tsx';

interface Entry {
  key: string;
  label: string;
  hint?: string | undefined;
  icon: ReactNode;
  /** The page, below the application. */
  to: string;
}

interface Section {
  title: string;
  entries: Entry[];
}

const MOST = 6;
const ICON = { size: 17, 'aria-hidden': true } as const;

const wordsOf = (text: string): string[] => text.toLowerCase().split(/\s+/).filter(Boolean);
const having = (words: readonly string[], ...texts: (string | undefined)[]): boolean => {
  const text = texts.join(' ').toLowerCase();
  return words.every((word) => text.includes(word));
};

/** What one can begin. */
function useActions(): Entry[] {
  const { canWrite, canManage, isOwner } = useApplication();
  const action = (key: string, label: string, to: string, may: boolean): Entry[] =>
    may ? [{ key, label, to, icon: <IconPlus {...ICON} /> }] : [];
  return [
    ...action('new-group', 'Create a group', 'groups/new', canWrite),
    ...action('import', 'Import a file', 'imports', canWrite),
    ...action('webhook', 'Add a webhook', 'webhooks', canManage),
    ...action('token', 'Create an admin token', 'keys', canManage),
    ...action('invite', 'Invite a producer', 'people', isOwner),
  ];
}

function useSections(text: string): { sections: Section[]; isAsking: boolean } {
  const words = wordsOf(text);
  const settled = useSettled(text.trim(), 150);
  const pages = useNavigation();
  const actions = useActions();
  const { path } = useApplication();
  const catalogue = useCatalogue();
  const groups = useGet<Page<Group>>(settled === '' ? null : path('profile-groups/'), {
    name: settled,
    page_size: MOST,
    count: false,
  });
  const fans = useProfileSearch(text, MOST);
  const asked = words.length > 0;
  const found: Section[] = [
    {
      title: 'Pages',
      entries: pages
        .filter(({ label }) => having(words, label))
        .map(({ to, label, icon }) => ({ key: `page ${to}`, label, to, icon })),
    },
    { title: 'Begin', entries: actions.filter(({ label }) => having(words, label)) },
    {
      title: 'Groups',
      entries: (asked ? (groups.data?.results ?? []) : []).map((group) => ({
        key: group.id,
        label: group.name,
        hint: group.membership_type === 'dynamic' ? 'By a rule' : 'By hand',
        icon: <IconUsersGroup {...ICON} />,
        to: `groups/${group.id}`,
      })),
    },
    {
      title: 'Profiles',
      entries: (asked ? (fans.data ?? []) : []).map((fan) => ({
        key: fan.id,
        label: fan.nickname,
        hint: fan.custom_id ?? fan.id,
        icon: <IconUser {...ICON} />,
        to: `profiles/${fan.id}`,
      })),
    },
    {
      title: 'Attributes',
      entries: (asked ? (catalogue.data?.results ?? []) : [])
        .filter(({ key, label }) => having(words, key, label))
        .slice(0, MOST)
        .map(({ key, label }) => ({
          key: `attribute ${key}`,
          label,
          hint: key,
          icon: <IconTags {...ICON} />,
          to: `attributes?attribute=${encodeURIComponent(key)}`,
        })),
    },
  ];
  return {
    sections: found.filter(({ entries }) => entries.length > 0),
    isAsking: asked && (settled !== text.trim() || groups.isFetching || fans.isFetching),
  };
}

export default function Palette({ onClose }: { onClose: () => void }) {
  const id = useId();
  const list = useRef<HTMLUListElement>(null);
  const [text, setText] = useState('');
  const [active, setActive] = useState(0);
  const [, navigate] = useLocation();
  const { href } = useApplication();
  const { sections, isAsking } = useSections(text);
  const entries = sections.flatMap((section) => section.entries);
  const current = Math.min(active, entries.length - 1);

  const go = (entry: Entry | undefined): void => {
    if (!entry) return;
    onClose();
    navigate(href(entry.to));
  };
  const move = (to: number): void => {
    const next = (to + entries.length) % Math.max(1, entries.length);
    setActive(next);
    list.current?.querySelectorAll('[role="option"]')[next]?.scrollIntoView({ block: 'nearest' });
  };
  const onKeyDown = (event: React.KeyboardEvent): void => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step === undefined && event.key !== 'Enter') return;
    event.preventDefault();
    if (step === undefined) go(entries[current]);
    else move(current + step);
  };

  return (
    <Dialog title="Find anything" onClose={onClose}>
      <input
        data-autofocus
        className="input"
        role="combobox"
        aria-label="Find a page, a group, a profile or an attribute"
        aria-expanded
        aria-controls={`${id}-list`}
        aria-autocomplete="list"
        aria-activedescendant={entries[current] ? `${id}-${current}` : undefined}
        placeholder="A page, a group, a nickname, an id, key:value…"
        autoComplete="off"
        spellCheck={false}
        value={text}
        onChange={(event) => {
          setText(event.target.value);
          setActive(0);
        }}
        onKeyDown={onKeyDown}
      />
      <ul ref={list} id={`${id}-list`} role="listbox" aria-label="Found" aria-busy={isAsking} className="found">
        {sections.map((section) => [
          <li key={section.title} role="presentation" className="option-group">
            {section.title}
          </li>,
          ...section.entries.map((entry) => {
            const index = entries.indexOf(entry);
            return (
              <li
                key={entry.key}
                id={`${id}-${index}`}
                role="option"
                aria-selected={index === current}
                className={index === current ? 'option active' : 'option'}
                onMouseMove={() => setActive(index)}
                onClick={() => go(entry)}
              >
                {entry.icon}
                <span className="name truncate">{entry.label}</span>
                {entry.hint && <span className="hint truncate">{entry.hint}</span>}
                <IconArrowRight size={15} aria-hidden className="go" />
              </li>
            );
          }),
        ])}
      </ul>
      <p role="status" className={entries.length === 0 ? 'muted' : 'visually-hidden'}>
        {isAsking
          ? 'Looking…'
          : entries.length === 0
            ? `Nothing is called “${text.trim()}”.`
            : `${entries.length} found`}
      </p>
    </Dialog>
  );
}

// The pages of an application: what the navigation lists and the palette finds.

import type { ReactNode } from 'react';
import {
  IconActivity,
  IconChartBar,
  IconHistory,
  IconKey,
  IconLayoutDashboard,
  IconPlugConnected,
  IconTags,
  IconTransfer,
  IconUser,
  IconUserShield,
  IconUsersGroup,
  IconWebhook,
} from '@tabler/icons-react';
import { useApplication } from './session.tsx';
import type { Role } from './types.ts';

interface NavItem {
  to: string;
  /** Who sees it; everybody where it is left out. */
  for?: Role[];
  label: string;
  icon: ReactNode;
}

const ITEMS: NavItem[] = [
  { to: '', label: 'Overview', icon: <IconLayoutDashboard size={18} aria-hidden /> },
  { to: 'groups', label: 'Groups', icon: <IconUsersGroup size={18} aria-hidden /> },
  { to: 'profiles', label: 'Profiles', icon: <IconUser size={18} aria-hidden /> },
  { to: 'activities', label: 'Activities', icon: <IconActivity size={18} aria-hidden /> },
  { to: 'attributes', label: 'Attributes', icon: <IconTags size={18} aria-hidden /> },
  { to: 'usage', label: 'Usage', icon: <IconChartBar size={18} aria-hidden /> },
  { to: 'sources', label: 'Sources', icon: <IconPlugConnected size={18} aria-hidden /> },
  { to: 'imports', label: 'Imports and exports', icon: <IconTransfer size={18} aria-hidden /> },
  { to: 'webhooks', label: 'Webhooks', icon: <IconWebhook size={18} aria-hidden /> },
  { to: 'keys', label: 'Keys and tokens', icon: <IconKey size={18} aria-hidden />, for: ['owner', 'admin'] },
  { to: 'people', label: 'People', icon: <IconUserShield size={18} aria-hidden />, for: ['owner'] },
  { to: 'audit', label: 'Audit', icon: <IconHistory size={18} aria-hidden />, for: ['owner', 'admin'] },
];

/** The pages that whoever is signed in may open. */
export function useNavigation(): readonly NavItem[] {
  const { role } = useApplication();
  return ITEMS.filter((item) => !item.for || item.for.includes(role));
}

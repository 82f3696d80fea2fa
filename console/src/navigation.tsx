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
import { useLocation } from 'wouter';
import { useApplication } from './session.tsx';
import type { Role } from './types.ts';

interface NavItem {
  to: string;
  /** Stands in the bar of a narrow window. */
  often?: true;
  /** Who sees it; everybody where it is left out. */
  for?: Role[];
  label: string;
  icon: ReactNode;
}

const ITEMS: NavItem[] = [
  { to: '', often: true, label: 'Overview', icon: <IconLayoutDashboard size={18} aria-hidden /> },
  { to: 'groups', often: true, label: 'Groups', icon: <IconUsersGroup size={18} aria-hidden /> },
  { to: 'profiles', often: true, label: 'Profiles', icon: <IconUser size={18} aria-hidden /> },
  { to: 'activities', often: true, label: 'Activities', icon: <IconActivity size={18} aria-hidden /> },
  { to: 'attributes', label: 'Attributes', icon: <IconTags size={18} aria-hidden /> },
  { to: 'usage', label: 'Usage', icon: <IconChartBar size={18} aria-hidden /> },
  { to: 'sources', label: 'Sources', icon: <IconPlugConnected size={18} aria-hidden /> },
  { to: 'imports', label: 'Imports and exports', icon: <IconTransfer size={18} aria-hidden /> },
  { to: 'webhooks', label: 'Webhooks', icon: <IconWebhook size={18} aria-hidden /> },
  { to: 'keys', label: 'Keys and tokens', icon: <IconKey size={18} aria-hidden />, for: ['owner', 'admin'] },
  { to: 'people', label: 'People', icon: <IconUserShield size={18} aria-hidden />, for: ['owner'] },
  { to: 'audit', label: 'Audit', icon: <IconHistory size={18} aria-hidden />, for: ['owner', 'admin'] },
];

interface Destination extends NavItem {
  href: string;
  /** Whether it, or what lies below it, is shown now. */
  isHere: boolean;
}

/** The pages that whoever is signed in may open. */
export function useNavigation(): readonly Destination[] {
  const { role, href } = useApplication();
  const [location] = useLocation();
  return ITEMS.filter((item) => !item.for || item.for.includes(role)).map((item) => {
    const at = href(item.to).replace(/\/$/, '');
    const isHere = location.replace(/\/$/, '') === at || (item.to !== '' && location.startsWith(`${at}/`));
    return { ...item, href: href(item.to), isHere };
  });
}

// The frame around every page: navigation, application, theme, the banner when the server is away.

import { useEffect, useRef, type ReactNode } from 'react';
import {
  IconActivity,
  IconChartBar,
  IconHistory,
  IconKey,
  IconLayoutDashboard,
  IconLogout,
  IconMenu2,
  IconMoon,
  IconSun,
  IconSunMoon,
  IconTags,
  IconTransfer,
  IconUser,
  IconUserShield,
  IconUsersGroup,
  IconPlugConnected,
  IconWebhook,
  IconX,
} from '@tabler/icons-react';
import { Link, useLocation } from 'wouter';
import { useAway } from './connection.ts';
import { useApplication, useSession } from './session.tsx';
import { useTheme, type Theme } from './theme.ts';
import type { Role } from './types.ts';
import { Mark } from './ui/brand.tsx';
import { Button } from './ui/button.tsx';

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

const NEXT: Record<Theme, Theme> = { system: 'light', light: 'dark', dark: 'system' };
const THEME_ICON: Record<Theme, ReactNode> = {
  system: <IconSunMoon size={18} aria-hidden />,
  light: <IconSun size={18} aria-hidden />,
  dark: <IconMoon size={18} aria-hidden />,
};

function Sidebar({ onNavigate }: { onNavigate?: () => void }) {
  const application = useApplication();
  const { state, signOut } = useSession();
  const [location, navigate] = useLocation();
  const [theme, setTheme] = useTheme();
  const { name, kind, applications } =
    state.status === 'in' ? state.session : { name: '', kind: 'admin', applications: [] };
  const isProducer = kind === 'producer';
  return (
    <aside className="sidebar" aria-label="Grandstand">
      <Link href={application.href('')} className="brand" onClick={onNavigate}>
        <Mark />
        Grandstand
      </Link>
      <nav className="nav" aria-label="Main">
        {ITEMS.filter((item) => !item.for || item.for.includes(application.role)).map(({ to, label, icon }) => {
          const href = application.href(to);
          const here =
            to === ''
              ? location === href.replace(/\/$/, '') || location === href
              : location === href || location.startsWith(`${href}/`);
          return (
            <Link key={to} href={href} aria-current={here ? 'page' : undefined} onClick={onNavigate}>
              {icon}
              {label}
            </Link>
          );
        })}
      </nav>
      <div className="sidebar-foot">
        {applications.length > 1 && (
          <select
            className="select"
            aria-label="Application"
            value={application.client_id}
            onChange={(event) => navigate(`/apps/${encodeURIComponent(event.target.value)}`)}
          >
            {applications.map((one) => (
              <option key={one.client_id} value={one.client_id}>
                {one.name}
              </option>
            ))}
          </select>
        )}
        <strong className="truncate name small foot-name" title={application.name}>
          {application.name}
        </strong>
        <div className="row spread">
          <div className="stack small grow foot-name">
            {isProducer ? (
              <Link
                href={application.href('account')}
                className="truncate muted name"
                title="Your account"
                onClick={onNavigate}
              >
                {name}
              </Link>
            ) : (
              <span className="truncate muted name" title={`Admin token “${name}”`}>
                {name}
              </span>
            )}
          </div>
          <Button look="quiet" iconOnly icon={THEME_ICON[theme]} onClick={() => setTheme(NEXT[theme])}>
            {`Theme: ${theme}`}
          </Button>
          <Button look="quiet" iconOnly icon={<IconLogout size={18} aria-hidden />} onClick={() => void signOut()}>
            Sign out
          </Button>
        </div>
      </div>
    </aside>
  );
}

export function Shell({ children }: { children: ReactNode }) {
  const drawer = useRef<HTMLDialogElement>(null);
  const application = useApplication();
  const [location] = useLocation();
  useEffect(() => drawer.current?.close(), [location]);
  return (
    <div className="shell">
      <a href="#main" className="skip">
        Skip to the page
      </a>
      <Sidebar />
      <header className="topbar">
        <Link href={application.href('')} className="brand">
          <Mark />
          Grandstand
        </Link>
        <Button
          look="quiet"
          iconOnly
          icon={<IconMenu2 size={20} aria-hidden />}
          onClick={() => drawer.current?.showModal()}
        >
          Menu
        </Button>
      </header>
      <dialog
        ref={drawer}
        className="drawer"
        aria-label="Menu"
        onClick={(event) => event.target === drawer.current && drawer.current.close()}
      >
        <div style={{ position: 'absolute', right: 8, top: 12 }}>
          <Button look="quiet" iconOnly icon={<IconX size={18} aria-hidden />} onClick={() => drawer.current?.close()}>
            Close
          </Button>
        </div>
        <Sidebar onNavigate={() => drawer.current?.close()} />
      </dialog>
      <div>
        <AwayBanner />
        <main id="main" className="content" tabIndex={-1}>
          {children}
        </main>
      </div>
    </div>
  );
}

export function AwayBanner() {
  const away = useAway();
  return (
    <div role="status">
      {away && (
        <div className="banner">
          The server cannot be reached. What you see may be old; it will be tried again by itself.
        </div>
      )}
    </div>
  );
}

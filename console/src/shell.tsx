// The frame around every page: navigation, application, theme, the banner when the server is away.

import { lazy, Suspense, useCallback, useEffect, useRef, useState, type ReactNode } from 'react';
import {
  IconHelp,
  IconLogout,
  IconMenu2,
  IconMoon,
  IconSearch,
  IconSun,
  IconSunMoon,
  IconX,
} from '@tabler/icons-react';
import { Link, useLocation } from 'wouter';
import { useAway } from './connection.ts';
import { useNavigation } from './navigation.tsx';
import { useApplication, useSession } from './session.tsx';
import { useTheme, type Theme } from './theme.ts';
import { Mark } from './ui/brand.tsx';
import { Button } from './ui/button.tsx';

const Palette = lazy(() => import('./palette.tsx'));

const NEXT: Record<Theme, Theme> = { system: 'light', light: 'dark', dark: 'system' };
const THEME_ICON: Record<Theme, ReactNode> = {
  system: <IconSunMoon size={18} aria-hidden />,
  light: <IconSun size={18} aria-hidden />,
  dark: <IconMoon size={18} aria-hidden />,
};

interface SidebarProps {
  onSearch: () => void;
  onNavigate?: () => void;
}

function Sidebar({ onSearch, onNavigate }: SidebarProps) {
  const application = useApplication();
  const items = useNavigation();
  const { state, signOut } = useSession();
  const [, navigate] = useLocation();
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
      <Button className="find" icon={<IconSearch size={16} aria-hidden />} aria-keyshortcuts={KEYS} onClick={onSearch}>
        Find anything
        <kbd aria-hidden>{KEY_SHOWN}</kbd>
      </Button>
      <nav className="nav" aria-label="Main">
        {items.map(({ to, href, isHere, label, icon }) => (
          <Link key={to} href={href} aria-current={isHere ? 'page' : undefined} onClick={onNavigate}>
            {icon}
            {label}
          </Link>
        ))}
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
          <a href="/docs/" className="button quiet icon" title="Documentation">
            <IconHelp size={18} aria-hidden />
            <span className="visually-hidden">Documentation</span>
          </a>
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

const isApple = /mac|iphone|ipad/i.test(navigator.userAgent);
const KEYS = isApple ? 'Meta+K' : 'Control+K';
const KEY_SHOWN = isApple ? '⌘K' : 'Ctrl K';

/** Calls back when the keys of the palette are pressed, wherever the focus is. */
function usePaletteKeys(open: () => void): void {
  useEffect(() => {
    const onKeyDown = (event: KeyboardEvent): void => {
      const isAsked = event.key.toLowerCase() === 'k' && (isApple ? event.metaKey : event.ctrlKey);
      if (!isAsked || event.altKey || event.shiftKey) return;
      event.preventDefault();
      if (!document.querySelector('dialog:modal')) open(); // what is being written comes first
    };
    document.addEventListener('keydown', onKeyDown);
    return () => document.removeEventListener('keydown', onKeyDown);
  }, [open]);
}

export function Shell({ children }: { children: ReactNode }) {
  const [isFinding, setIsFinding] = useState(false);
  const find = useCallback(() => setIsFinding(true), []);
  usePaletteKeys(find);
  const drawer = useRef<HTMLDialogElement>(null);
  const application = useApplication();
  const [location] = useLocation();
  useEffect(() => drawer.current?.close(), [location]);
  return (
    <div className="shell">
      <a href="#main" className="skip">
        Skip to the page
      </a>
      <Sidebar onSearch={find} />
      <header className="topbar">
        <Link href={application.href('')} className="brand">
          <Mark />
          Grandstand
        </Link>
        <Button look="quiet" iconOnly icon={<IconSearch size={20} aria-hidden />} onClick={find}>
          Find anything
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
        <Sidebar
          onSearch={() => {
            drawer.current?.close();
            find();
          }}
          onNavigate={() => drawer.current?.close()}
        />
      </dialog>
      {isFinding && (
        <Suspense>
          <Palette onClose={() => setIsFinding(false)} />
        </Suspense>
      )}
      <div>
        <AwayBanner />
        <main id="main" className="content" tabIndex={-1}>
          {children}
        </main>
      </div>
      <Tabs onMore={() => drawer.current?.showModal()} />
    </div>
  );
}

/** What a thumb reaches on a narrow screen: the pages of every day, and the way to the others. */
function Tabs({ onMore }: { onMore: () => void }) {
  const items = useNavigation().filter(({ often }) => often);
  return (
    <nav className="tabbar" aria-label="Often used">
      {items.map(({ to, href, isHere, label, icon }) => (
        <Link key={to} href={href} aria-current={isHere ? 'page' : undefined}>
          {icon}
          {label}
        </Link>
      ))}
      <button type="button" aria-haspopup="dialog" onClick={onMore}>
        <IconMenu2 size={18} aria-hidden />
        More
      </button>
    </nav>
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

import { useEffect, useRef } from 'react';
import { Link, useLocation } from 'wouter';

export interface Tab {
  href: string;
  label: string;
}

/** Each tab is a page of its own, with an address. */
export function Tabs({ label, tabs }: { label: string; tabs: Tab[] }) {
  const [location] = useLocation();
  const bar = useRef<HTMLElement>(null);
  useEffect(() => {
    const here = bar.current?.querySelector<HTMLElement>('[aria-current=page]');
    if (bar.current && here) bar.current.scrollLeft = here.offsetLeft - bar.current.offsetLeft - 40;
  }, [location]);
  return (
    <nav className="tabs" aria-label={label} ref={bar}>
      {tabs.map((tab) => (
        <Link key={tab.href} href={tab.href} aria-current={location === tab.href ? 'page' : undefined}>
          {tab.label}
        </Link>
      ))}
    </nav>
  );
}

import { useEffect, type ReactNode } from 'react';
import { IconChevronLeft } from '@tabler/icons-react';
import { Link } from 'wouter';

interface PageHeadProps {
  title: string;
  /** Beside the title, such as a badge. */
  beside?: ReactNode;
  back?: { href: string; label: string };
  actions?: ReactNode;
  children?: ReactNode;
}

export function PageHead({ title, beside, back, actions, children }: PageHeadProps) {
  useEffect(() => {
    document.title = `${title} · Grandstand`;
  }, [title]);
  return (
    <header className="page-head">
      <div>
        {back && (
          <Link href={back.href} className="crumb">
            <IconChevronLeft size={14} aria-hidden />
            {back.label}
          </Link>
        )}
        <div className="row wrap" style={{ '--gap': '10px' } as React.CSSProperties}>
          <h1 className="name">{title}</h1>
          {beside}
        </div>
        {children && <p className="name">{children}</p>}
      </div>
      {actions && <div className="row wrap">{actions}</div>}
    </header>
  );
}

import type { ButtonHTMLAttributes, ReactNode } from 'react';
import { Link } from 'wouter';

type Look = 'plain' | 'primary' | 'quiet';

interface Style {
  look?: Look;
  danger?: boolean;
  small?: boolean;
  /** Shows only the icon; the children become its name. */
  icon?: ReactNode;
  iconOnly?: boolean;
}

function classOf({ look = 'plain', danger, small, iconOnly }: Style, className = ''): string {
  return [
    'button',
    look === 'plain' ? '' : look,
    danger ? 'danger' : '',
    small ? 'small' : '',
    iconOnly ? 'icon' : '',
    className,
  ]
    .filter(Boolean)
    .join(' ');
}

const content = ({ icon, iconOnly }: Style, children: ReactNode): ReactNode =>
  iconOnly ? (
    <>
      {icon}
      <span className="visually-hidden">{children}</span>
    </>
  ) : (
    <>
      {icon}
      {children}
    </>
  );

export function Button({
  look,
  danger,
  small,
  icon,
  iconOnly,
  busy,
  className,
  children,
  ...rest
}: Style & { busy?: boolean } & ButtonHTMLAttributes<HTMLButtonElement>) {
  const style: Style = {
    ...(look && { look }),
    ...(danger && { danger }),
    ...(small && { small }),
    icon,
    ...(iconOnly && { iconOnly }),
  };
  return (
    <button
      type="button"
      {...rest}
      {...(iconOnly && typeof children === 'string' && !rest.title && { title: children })}
      aria-disabled={busy || rest.disabled ? true : undefined}
      className={classOf(style, className)}
      onClick={busy ? (event) => event.preventDefault() : rest.onClick}
    >
      {content(style, children)}
    </button>
  );
}

export function ButtonLink({
  href,
  look,
  icon,
  small,
  children,
}: Pick<Style, 'look' | 'icon' | 'small'> & { href: string; children: ReactNode }) {
  return (
    <Link href={href} className={classOf({ ...(look && { look }), ...(small && { small }) })}>
      {icon}
      {children}
    </Link>
  );
}

// Pages that come when they are opened. One that cannot be fetched says so: after an update of the server its name is gone,
// and loading the console anew finds the new one.

import { Component, lazy, Suspense, type ComponentType, type ReactNode } from 'react';
import { Skeleton } from './bits.tsx';
import { Button } from './button.tsx';

export function lazyPage(load: () => Promise<{ default: ComponentType }>): ComponentType {
  const Page = lazy(load);
  return function LazyPage() {
    return (
      <Boundary>
        <Suspense fallback={<Loading />}>
          <Page />
        </Suspense>
      </Boundary>
    );
  };
}

const Loading = (): ReactNode => (
  <div className="stack" aria-busy>
    <Skeleton width={180} height={26} />
    <section className="card pad stack">
      <Skeleton width="60%" />
      <Skeleton width="40%" />
      <Skeleton width="50%" />
    </section>
  </div>
);

class Boundary extends Component<{ children: ReactNode }, { failed: boolean }> {
  override state = { failed: false };

  static getDerivedStateFromError(): { failed: boolean } {
    return { failed: true };
  }

  override render(): ReactNode {
    if (!this.state.failed) return this.props.children;
    return (
      <section className="card">
        <div className="empty" role="alert">
          <h1>This page could not be loaded</h1>
          <p>The server may be away, or it was updated since you opened the console.</p>
          <Button onClick={() => window.location.reload()}>Load the console again</Button>
        </div>
      </section>
    );
  }
}

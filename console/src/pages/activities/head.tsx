import { useApplication } from '../../session.tsx';
import { PageHead } from '../../ui/page-head.tsx';
import { Tabs } from '../../ui/tabs.tsx';

export function ActivitiesHead({ children }: { children?: React.ReactNode }) {
  const { href } = useApplication();
  return (
    <>
      <PageHead title="Activities" actions={children}>
        What fans do, as your apps and your back end tell it.
      </PageHead>
      <Tabs
        label="Activities"
        tabs={[
          { href: href('activities'), label: 'Live' },
          { href: href('activities/types'), label: 'Types' },
        ]}
      />
    </>
  );
}

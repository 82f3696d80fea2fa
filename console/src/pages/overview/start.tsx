// The first steps of a new application, until they are done.

import { IconCheck } from '@tabler/icons-react';
import type { Statistics } from '@grandstand/sdk/server';
import { Link } from 'wouter';
import { useApplication } from '../../session.tsx';
import { Id } from '../../ui/copy.tsx';

export function Start({ statistics: { profiles, days, activities, groups } }: { statistics: Statistics }) {
  const application = useApplication();
  const steps = [
    {
      done: profiles.count > 0,
      title: 'Connect an app',
      text: (
        <>
          Its first fan gets a profile as soon as the app starts the SDK with this client id:
          <Id value={application.client_id} label="client id" />
        </>
      ),
    },
    {
      done: activities.last_minute > 0 || days.some((day) => day.activities > 0),
      title: 'Send an activity',
      text: (
        <>
          Comments, votes, quests: from the app, from your back end, or{' '}
          <Link href={application.href('activities')}>by hand</Link> to try it out.
        </>
      ),
    },
    {
      done: groups.static + groups.dynamic > 0,
      title: 'Create a group',
      text: (
        <>
          {application.canWrite ? (
            <Link href={application.href('groups/new')}>A dynamic group</Link>
          ) : (
            'A dynamic group'
          )}{' '}
          keeps itself by a rule, such as “at least 10 comments in the last 7 days”.
        </>
      ),
    },
  ];
  if (steps.every(({ done }) => done)) return null;
  return (
    <section className="card" aria-labelledby="start-heading">
      <div className="card-head">
        <h2 id="start-heading">Getting started</h2>
        <span className="muted small numeric">
          {steps.filter(({ done }) => done).length} of {steps.length} done
        </span>
      </div>
      <ol className="steps">
        {steps.map(({ done, title, text }, index) => (
          <li key={title} className={done ? 'done' : undefined}>
            <span className="step-mark" aria-hidden>
              {done ? <IconCheck size={15} /> : index + 1}
            </span>
            <div>
              <h3>
                {title}
                {done && <span className="visually-hidden">: done</span>}
              </h3>
              <div className="muted small">{text}</div>
            </div>
          </li>
        ))}
      </ol>
    </section>
  );
}

import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { App } from './app.tsx';
import { connection } from './connection.ts';
import { SessionProvider } from './session.tsx';
import './styles/index.css';

const queries = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 5_000,
      retry: false, // the SDK tries again what is worth it
      networkMode: 'always', // asked though the browser believes to be offline, so that it is told and nothing waits unseen
    },
    mutations: { retry: false, networkMode: 'always' },
  },
});
connection.onReturn(() => void queries.invalidateQueries());

const root = document.getElementById('root');
if (root) {
  createRoot(root).render(
    <StrictMode>
      <QueryClientProvider client={queries}>
        <SessionProvider>
          <App />
        </SessionProvider>
      </QueryClientProvider>
    </StrictMode>,
  );
}

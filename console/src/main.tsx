import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { RequestError } from './api.ts';
import { App } from './app.tsx';
import { connection } from './connection.ts';
import { SessionProvider } from './session.tsx';
import './styles/index.css';

const queries = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 5_000,
      // The caller's fault stays one; what was away is asked again when it is back.
      retry: (failures, error) =>
        failures < 2 && !(error instanceof RequestError && error.status > 0 && error.status < 500),
    },
    mutations: { retry: false },
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

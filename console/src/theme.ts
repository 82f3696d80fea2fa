import { useEffect, useState } from 'react';

export type Theme = 'system' | 'light' | 'dark';
const STORED = 'grandstand.theme';

function read(): Theme {
  const { theme } = document.documentElement.dataset;
  return theme === 'light' || theme === 'dark' ? theme : 'system';
}

export function useTheme(): [Theme, (theme: Theme) => void] {
  const [theme, setTheme] = useState(read);
  useEffect(() => {
    if (theme === 'system') delete document.documentElement.dataset['theme'];
    else document.documentElement.dataset['theme'] = theme;
    try {
      if (theme === 'system') localStorage.removeItem(STORED);
      else localStorage.setItem(STORED, theme);
    } catch {
      // Storage is off: the choice lasts as long as the page.
    }
  }, [theme]);
  return [theme, setTheme];
}

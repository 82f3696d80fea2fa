// The plot of a chart, on a canvas. It comes with the first load: as a chunk of its own it arrived a round trip after its
// figures, and React holds back what replaces a fallback for 300 ms more.

import { useEffect, useRef } from 'react';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { formatCompact, formatNumber } from '../format.ts';
import type { ChartProps, Point } from './charts.tsx';

const locale = navigator.language;
/** Days are counted in UTC, whatever the viewer's zone. */
const utcDayText = new Intl.DateTimeFormat(locale, { day: 'numeric', month: 'short', timeZone: 'UTC' });
const dayText = new Intl.DateTimeFormat(locale, { day: 'numeric', month: 'short' });
const hourText = new Intl.DateTimeFormat(locale, { hour: '2-digit', minute: '2-digit' });
const momentText = new Intl.DateTimeFormat(locale, {
  day: 'numeric',
  month: 'short',
  hour: '2-digit',
  minute: '2-digit',
});

const startsDay = (seconds: number): boolean => {
  const date = new Date(seconds * 1000);
  return date.getHours() === 0 && date.getMinutes() === 0;
};

/** A colour of the present theme, as a canvas needs it: `light-dark()` is resolved by an element that wears it. */
function colour(host: HTMLElement, name: string): string {
  const probe = document.createElement('span');
  probe.style.color = `var(${name})`;
  host.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}

/** What is counted has no halves. */
const WHOLE_STEPS = Array.from({ length: 13 }, (_, n) => [1, 2, 5].map((step) => step * 10 ** n)).flat();

type Data = [xs: number[], ys: number[]];

const toData = (points: Point[]): Data => [points.map(({ at }) => at / 1000), points.map(({ value }) => value)];

export function Plot({ points, noun, kind = 'line', height = 200, unit = 'day' }: ChartProps) {
  const host = useRef<HTMLDivElement>(null);
  const shown = useRef<{ plot: uPlot | undefined; data: Data }>({ plot: undefined, data: [[], []] });
  // Declared first, so that a plot is made with the points of the same moment. A new figure moves; the plot stays.
  useEffect(() => {
    const data = toData(points);
    shown.current.data = data;
    shown.current.plot?.setData(data);
  }, [points]);
  useEffect(() => {
    const element = host.current;
    const state = shown.current;
    if (!element) return undefined;
    const draw = (): void => {
      state.plot?.destroy();
      const accent = colour(element, '--accent');
      const axis = {
        stroke: colour(element, '--text-3'),
        grid: { stroke: colour(element, '--line'), width: 1 },
        ticks: { show: false },
        font: `11px ${getComputedStyle(element).fontFamily}`,
      };
      const tip = document.createElement('div');
      tip.className = 'plot-tip';
      tip.hidden = true;
      state.plot = new uPlot(
        {
          width: element.clientWidth,
          height,
          padding: [8, 10, 0, 0],
          ...(unit === 'day' && { tzDate: (seconds: number) => uPlot.tzDate(new Date(seconds * 1000), 'Etc/UTC') }),
          legend: { show: false },
          cursor: { y: false, points: { size: 7, fill: accent }, drag: { x: false, y: false } },
          scales: {
            ...(kind === 'bars' && {
              x: {
                range: (_u: uPlot, low: number, high: number): [number, number] => {
                  const [first = 0, second = 0] = state.data[0];
                  return [low - (second - first) / 2, high + (second - first) / 2];
                },
              },
            }),
            y: {
              range: (_u, low, high) =>
                kind === 'bars'
                  ? [0, Math.max(1, high) * 1.08]
                  : low === high
                    ? [Math.max(0, low - 1), high + 1]
                    : [Math.max(0, low - (high - low) * 0.12), high + (high - low) * 0.12],
            },
          },
          series: [
            {},
            kind === 'bars'
              ? {
                  stroke: accent,
                  fill: accent,
                  width: 0,
                  paths: uPlot.paths.bars?.({ size: [0.62, 28], radius: 0.2 }),
                  points: { show: false },
                }
              : {
                  stroke: accent,
                  width: 2,
                  fill: `color-mix(in srgb, ${accent} 9%, transparent)`,
                  paths: uPlot.paths.stepped?.({ align: 1 }),
                  points: { show: false },
                },
          ].map((series) => Object.fromEntries(Object.entries(series).filter(([, value]) => value !== undefined))),
          axes: [
            {
              ...axis,
              grid: { show: false },
              space: 70,
              size: 28,
              values: (_u, ticks) =>
                ticks.map((tick) =>
                  (unit === 'day' ? utcDayText : startsDay(tick) ? dayText : hourText).format(tick * 1000),
                ),
            },
            {
              ...axis,
              size: 52,
              space: 30,
              incrs: WHOLE_STEPS,
              values: (_u, ticks) => ticks.map(formatCompact),
            },
          ],
          hooks: {
            init: [(u) => u.over.append(tip)],
            setCursor: [
              (u) => {
                const { idx, left = 0 } = u.cursor;
                const at = idx == null ? undefined : state.data[0][idx];
                tip.hidden = at === undefined || left < 0;
                if (idx == null || at === undefined) return;
                tip.textContent = `${formatNumber(state.data[1][idx] ?? 0)} ${noun} · ${(unit === 'hour' ? momentText : utcDayText).format(at * 1000)}`;
                const x = u.valToPos(at, 'x');
                tip.style.left = `${Math.max(0, Math.min(x - tip.offsetWidth / 2, u.over.clientWidth - tip.offsetWidth))}px`;
              },
            ],
          },
        },
        state.data,
        element,
      );
    };
    draw();
    const resize = new ResizeObserver(() => state.plot?.setSize({ width: element.clientWidth, height }));
    resize.observe(element);
    const media = matchMedia('(prefers-color-scheme: dark)');
    media.addEventListener('change', draw);
    const theme = new MutationObserver(draw);
    theme.observe(document.documentElement, { attributeFilter: ['data-theme'] });
    return () => {
      resize.disconnect();
      theme.disconnect();
      media.removeEventListener('change', draw);
      state.plot?.destroy();
      state.plot = undefined;
    };
  }, [noun, kind, height, unit]);
  return <div ref={host} className="plot" />;
}
